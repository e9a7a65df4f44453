"""Exit codes and complaints: one readable paragraph, no traceback, no token."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from _support.command import Command, Start, check_runs, environment, line_of
from billingual import Client
from billingual.cli.exit_codes import exit_code
from billingual.cli.output import Column, show_facts, show_rows
from billingual.errors import ConflictError, LockedError, UsageError
from billingual.sandbox import ACCOUNTS, CREDENTIALS, LANDMARKS, Running

TOKEN = {"BILLINGUAL_TOKEN": ACCOUNTS["exante"].token}
CANARY = "canary-token-7f3a"
CREATE = (
    *("create", "--counterparty", LANDMARKS["exante_party"]),
    *("--owner", LANDMARKS["exante_owner"], "--document", LANDMARKS["exante_document"]),
)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("list", "--statsu", "OVERDUE"), "Did you mean --status?"),
        (("lsit",), "did you mean list?"),
        (("LIST",), "did you mean list?"),
        (("jobs", "shwo", "x"), "did you mean show? There are: show, resume,"),
        (("--verson",), "did you mean --version?"),
        (("list", "--limit", "1.5"), "'1.5' is no whole number; write it like 20."),
        (("list", "--limit", "0x10"), "'0x10' is no whole number"),
        (("list", "--limit", "1e3"), "'1e3' is no whole number"),
        (("list", "extra"), "'extra': billingual list takes no more words"),
        (
            ("list", "--sort", "-due"),
            "not sorted by 'due'; perhaps you meant due_at",
        ),
        (("list", "--provider", "exnate"), "perhaps you meant exante; there are: "),
        (("list", "--transport", "httpxx"), "perhaps you meant httpx; there are: "),
        (("create", "--status", "APROVED"), "perhaps you meant APPROVED; to send it all the same"),
        (("update", "x", "--status", "paid"), "perhaps you meant PAID"),
        (("delete", *(["x"] * 101)), "INVOICE-IDS: one request takes 100 at most"),
        (("delete", ""), "INVOICE-IDS[0]: '' is no UUID"),
        (("reconcile", "create", "--number", "1", "--known-invoice", "x"), "--known-invoice: 'x'"),
        (("export", ""), "'': its ending does not say"),
        (("jobs", "show", "/dev/null"), "there is no such ledger"),
        (("get", "x", "--json"), "Did you mean -o json?"),
        (("jobs", "show", "x.db", "--json"), "Did you mean -o json?"),
        (("get", "x", "--amount", "1"), "error: Unknown option: --amount. See "),
        (("create", "--amount", "1"), "Did you mean --total?"),
        (("create", "--total_", "1"), "Did you mean --total?"),
        (("update", "--id", "x"), "error: Unknown option: --id. See "),
        (("list", "-o", "jsn"), 'Did you mean "json"?'),
        (("list", "--overdue-days", "soon"), "is not a range"),
        (("list", "--limit", "0"), "asks for no rows"),
        (("list", "--provider", ""), "--provider: it is empty"),
        (("list", "--base-url", " "), "--base-url: it is empty"),
        (("list", "--profile", ""), "--profile: it is empty"),
        (("whoami", "--tenant", ""), "--tenant: it is empty"),
        (("sync", "--to", ""), "--to: it is empty"),
        (("sync", "--to", "s3://b/x"), "'s3://b/x' is no place on a disk"),
        (("list", "--provider", "katsu"), "katsu does not support list"),
        (("get", "42"), "no UUID"),
        (("create", "--total", "12.5"), "12.34 EUR"),
        (("list", "--provider", "nobody"), "there is no provider or dialect named 'nobody'"),
        (("list", "--base-url", "https://exante.example"), "BILLINGUAL_TOKEN"),
        (("sandbox", "--host", "0.0.0.0"), "not a loopback address"),  # noqa: S104 - refused
        (("demo", "--invoices", "-1"), "Must be >= 0"),
        (("demo", "--seed", "9" * 20), "Must be <= 9223372036854775807"),
        (("sandbox", "--port", "99999"), "Must be <= 65535"),
        (("sandbox", "--port", "-1"), "Must be >= 0"),
        (("sandbox", "--invoices", "-3"), "Must be >= 0"),
        (("sandbox", "--invoices", "100001"), "Must be <= 100000"),
        (("sandbox", "--seed", "9" * 20), "Must be <= 9223372036854775807"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_wrong_usage_exits_2_and_says_what_to_do(
    billingual: Command, arguments: tuple[str, ...], said: str
) -> None:
    """A mistake in the command is explained on stderr, without a traceback."""
    done = billingual(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


def test_an_empty_file_is_no_ledger(billingual: Command, tmp_path: Path) -> None:
    """To show a job changes no file."""
    file = tmp_path / "empty.db"
    file.write_bytes(b"")
    done = billingual("jobs", "show", str(file))

    assert (done.returncode, file.read_bytes()) == (2, b"")
    assert "there is no such ledger" in done.stderr


def test_a_status_that_is_no_misprint_is_sent(billingual: Command, tmp_path: Path) -> None:
    """A provider may have words of its own, and a file may hold any."""
    file = tmp_path / "changes.json"
    file.write_text('{"status": "APROVED"}')
    words = ("update", LANDMARKS["exante_party"], "--dry-run")

    assert '"APROVED"' in billingual(*words, "--from", str(file)).stdout
    assert '"FROZEN"' in billingual(*words, "--status", "FROZEN").stdout


def test_create_in_the_sandbox_gives_a_command_that_works(billingual: Command) -> None:
    """Who gives too little is shown ids that the sandbox knows."""
    done = billingual("create")
    example = next(line for line in done.stderr.splitlines() if line.startswith("  billingual"))
    second = billingual(*example.split()[1:])

    assert (done.returncode, second.returncode) == (2, 0)


def test_bad_credentials_exit_3_and_are_never_shown(billingual: Command, served: Running) -> None:
    """A token that the provider refuses appears in no text, not even in a traceback."""
    arguments = ("list", "--base-url", served.base_url("exante"))
    plain = billingual(*arguments, env={"BILLINGUAL_TOKEN": CANARY})
    debug = billingual("--debug", *arguments, env={"BILLINGUAL_TOKEN": CANARY})

    assert plain.returncode == 3
    assert "Traceback" not in plain.stderr
    assert "Traceback" in debug.stderr
    assert CANARY not in plain.stdout + plain.stderr + debug.stdout + debug.stderr


def test_a_key_that_may_not_write_exits_3(billingual: Command, served: Running) -> None:
    """403 is about credentials too."""
    token = {"BILLINGUAL_TOKEN": CREDENTIALS["exante_read_only"].token}
    done = billingual(*CREATE, "--base-url", served.base_url("exante"), env=token)

    assert done.returncode == 3


def test_an_unknown_invoice_exits_4(billingual: Command) -> None:
    """404 has a code of its own."""
    done = billingual("get", LANDMARKS["exante_party"])

    assert done.returncode == 4
    assert len(done.stderr.splitlines()) == 2


def test_a_rate_limit_that_asks_too_much_exits_5(billingual: Command, served: Running) -> None:
    """A wait of an hour is the caller's to decide."""
    served.app.add_fault("rate_limit", retry_after="3600")
    done = billingual("list", "--base-url", served.base_url("exante"), env=TOKEN)

    assert done.returncode == 5
    assert "not tried again" in done.stderr


def test_a_provider_that_cannot_be_reached_exits_6(billingual: Command) -> None:
    """Nothing listens on port 9 of this machine."""
    done = billingual("list", "--base-url", "http://127.0.0.1:9", env=TOKEN)

    assert done.returncode == 6


def test_an_unknown_outcome_exits_7(billingual: Command, served: Running) -> None:
    """A create whose response was lost is neither a success nor a failure."""
    served.app.add_fault("drop_after_commit", method="POST")
    done = billingual(*CREATE, "--base-url", served.base_url("exante"), env=TOKEN)

    assert done.returncode == 7
    assert "may or may not" in done.stderr


@pytest.mark.parametrize("kind", [ConflictError, LockedError])
def test_a_plain_refusal_is_code_1(kind: type[ConflictError | LockedError]) -> None:
    """What is no trouble of usage, credentials or wire is a failure like any other."""
    assert exit_code(kind.__new__(kind)) == 1


def test_usage_errors_are_code_2() -> None:
    """All that was refused before anything was sent is usage."""
    assert exit_code(UsageError("no")) == 2


def test_an_interrupt_exits_130(start: Start, served: Running) -> None:
    """Ctrl-C while a response is awaited ends quietly."""
    served.app.add_fault("latency", seconds=30)
    process = start("list", "--base-url", served.base_url("exante"), **TOKEN)
    while served.app.faults:
        check_runs(process)
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)

    assert (process.returncode, out, err) == (130, "", "interrupted\n")


@pytest.mark.parametrize(
    ("arguments", "method", "operation"),
    [
        ((*CREATE, "--number", "STOPPED-1"), "POST", "create"),
        (("update", "{id}", "--number", "STOPPED-2"), "PUT", "update"),
    ],
)
def test_an_interrupted_write_exits_7(
    start: Start, served: Running, arguments: tuple[str, ...], method: str, operation: str
) -> None:
    """It may have been carried out, and a script must not take it for a plain interrupt."""
    with Client("exante", base_url=served.base_url("exante"), token=ACCOUNTS["exante"].token) as c:
        row = c.list().first()
        assert row is not None
    served.app.add_fault("latency", seconds=30, method=method)
    named = [each.format(id=row.id) for each in arguments]
    process = start(*named, "--base-url", served.base_url("exante"), **TOKEN)
    while served.app.faults:
        check_runs(process)
        time.sleep(0.02)  # until the request has come
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)

    assert process.returncode == 7, err
    assert out == ""
    assert f"interrupted: exante may or may not have carried out {operation}." in " ".join(
        err.split()
    )


@pytest.mark.sampled(2)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("output", ["table", "json", "ndjson"])
def test_a_write_whose_output_is_lost_exits_0_and_names_the_invoice(
    served: Running, output: str
) -> None:
    """A script must not take it for a failure and create a second one."""
    with Path("/dev/full").open("wb") as full:
        process = subprocess.run(
            [
                sys.executable, "-m", "billingual", *CREATE, "--number", "LOST-1", "-o", output,
                "--base-url", served.base_url("exante"),
            ],
            env=environment(TOKEN),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
        )  # fmt: skip

    said = " ".join(process.stderr.split())
    assert process.returncode == 0, said
    assert re.search(
        r"only the output was lost: No space left on device\. The invoice was created: its id is "
        r"[0-9a-f-]{36}\. Do not run this again",
        said,
    )
    assert "Traceback" not in said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_list_whose_output_is_lost_exits_1() -> None:
    """It is no fault of billingual, and is not reported as one."""
    with Path("/dev/full").open("wb") as full:
        process = subprocess.run(
            [sys.executable, "-m", "billingual", "list"],
            env=environment({}),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
        )

    assert process.returncode == 1
    assert "error: the output cannot be written: No space left on device." in process.stderr
    assert "Traceback" not in process.stderr


def test_a_closed_pipe_ends_quietly(start: Start) -> None:
    """``billingual list --all | head -1`` is no error."""
    process = start("list", "--all", "-o", "ndjson")
    assert process.stdout is not None
    assert process.stderr is not None
    first = process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()

    assert process.wait(timeout=120) == 0
    assert first.startswith("{")
    assert "Traceback" not in said
    assert "BrokenPipe" not in said


def test_the_sandbox_prints_a_url_and_curl_lines_and_stops_cleanly(start: Start) -> None:
    """The URL is on stdout as soon as it answers; Ctrl-C is the way to end it."""
    process = start("sandbox", "--port", "0")
    url = line_of(process)
    assert process.stdout is not None
    response = httpx.get(f"{url}/_sandbox/state", trust_env=False)
    process.send_signal(signal.SIGINT)
    commands = [line for line in process.stdout if line.startswith("curl ")]
    _, err = process.communicate(timeout=120)

    assert response.status_code == 200
    assert len(ACCOUNTS) == len(commands)
    assert all(f"'{url}/" in command for command in commands)
    assert process.returncode == 0
    assert f"Its page in a browser: {url}/\n" in err
    assert "The sandbox has stopped." in err
    assert "Traceback" not in err


def test_a_taken_port_is_reported(billingual: Command, served: Running) -> None:
    """The sandbox names the port that is taken, and a way out."""
    done = billingual("sandbox", "--port", str(served.port))

    assert done.returncode == 1
    assert "--port 0" in done.stderr


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("missing", "arguments"),
    [
        ("cyclopts", []),
        ("rich", []),
        ("starlette", ["demo"]),
        ("starlette", ["sandbox"]),
        ("uvicorn", ["demo"]),
        ("uvicorn", ["sandbox", "--port", "0"]),
    ],
)
def test_without_the_extra_one_line_says_what_to_install(
    missing: str, arguments: list[str]
) -> None:
    """The library is usable without the command line's packages, and each command names them."""
    code = (
        f"import sys; sys.modules[{missing!r}] = None; "
        f"import billingual.cli as c; c.main({arguments!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert f"needs {missing}," in done.stderr
    assert 'pip install "billingual[cli]"' in done.stderr
    assert 'pip install ".[cli]"' in done.stderr


def test_another_missing_import_is_not_taken_for_the_extra() -> None:
    """A fault of ours shows itself as it is, instead of advice that would not help."""
    code = (
        "import sys; sys.modules['billingual.cli.demo.bulk'] = None; "
        "import billingual.cli as c; c.main(['demo'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )

    assert done.returncode == 1
    assert "billingual.cli.demo.bulk" in done.stderr
    assert "pip install" not in done.stderr


def test_importing_the_command_line_imports_nothing_of_it() -> None:
    """Help and tables are loaded when the program runs, not when it is imported."""
    code = "import sys, billingual.cli; print({'cyclopts', 'rich', 'starlette'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )

    assert done.stdout == "set()\n"


@pytest.mark.parametrize("words", [("--help",), ("help", "list"), ("list", "--help"), ("demo",)])
def test_a_closed_pipe_ends_help_quietly_too(words: tuple[str, ...]) -> None:
    """``billingual --help | head -1`` is no error either."""
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "billingual", *words],
            env=environment({}), stdout=pipe, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_sandbox_serves_on_where_its_output_is_lost(start: Start) -> None:
    """A full disk is no taken port; the URL is said beside."""
    process = start("sandbox", "--port", "0", before=("sh", "-c", 'exec "$@" > /dev/full', "sh"))
    assert process.stderr is not None
    said = process.stderr.readline()
    url = said.split()[-1]
    response = httpx.get(f"{url}/_sandbox/state", trust_env=False)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)

    assert "only the output was lost: No space left on device. The sandbox serves http" in said
    assert response.status_code == 200
    assert process.returncode == 0


def test_a_host_that_is_not_there_is_no_matter_of_ports(billingual: Command) -> None:
    """Another port would not help."""
    done = billingual("sandbox", "--host", "nowhere.invalid", "--allow-remote", "--port", "0")

    assert done.returncode == 1
    assert "Choose another --host" in " ".join(done.stderr.split())


@pytest.mark.parametrize("place", ["/dev/null", ".", "none/x.db"])
def test_a_place_that_cannot_hold_the_sandbox_is_wrong_usage(
    billingual: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """SQLite would speak of a disk."""
    monkeypatch.chdir(tmp_path)
    done = billingual("sandbox", "--db", place, "--port", "0")

    assert done.returncode == 2
    assert f"{place} cannot hold the sandbox's data" in " ".join(done.stderr.split())


def test_a_traceback_changes_no_exit_code(billingual: Command) -> None:
    """A script that looks for a fault must not meet another one."""
    done = billingual("--debug", "get", "x")

    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert "error: INVOICE-ID: 'x' is no UUID" in done.stderr


def test_a_place_that_cannot_be_kept_is_no_lost_output(
    billingual: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows were shown, and the error names the option."""
    place = tmp_path / "place"

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(place))

    monkeypatch.setattr(os, "open", refuse)
    done = billingual("list", "--limit", "1", "--resume", str(place))

    assert done.returncode == 2
    assert "INV-" in done.stdout
    assert f"--resume: {place} cannot be written: Permission denied" in done.stderr


def test_a_text_wider_than_any_screen_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """Half a name is worse than none, and a pipe has no width."""
    show_rows([Column("name", ("x" * 150_000,)), Column("id", ("1",))])
    show_facts([("note", "y z " * 50_000)])
    header, row, fact = capsys.readouterr().out.splitlines()

    assert header.split() == ["name", "id"]
    assert row.split() == ["x" * 150_000, "1"]
    assert fact.split() == ["note", *(["y", "z"] * 50_000)]


def test_ctrl_c_before_a_command_has_begun_ends_quietly() -> None:
    """A second passes until all is imported, and a person may have thought better of it."""
    program = """
import sys

class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "billingual.cli.output":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
from billingual.cli import main
main(["list"])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")
