"""``billingual doctor`` and ``billingual profiles``: what a first call needs."""

from __future__ import annotations

import json
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from _support.command import Command
from billingual.sandbox import ACCOUNTS, LANDMARKS, Running

TOKEN = ACCOUNTS["exante"].token
SECRET = {"BILLINGUAL_TOKEN": TOKEN}


def _results(stdout: str) -> dict[str, str]:
    return {each["check"]: each["result"] for each in json.loads(stdout)}


def _profile_file(folder: Path, served: Running, **more: str) -> dict[str, str]:
    lines = [f'{name} = "{value}"' for name, value in more.items()]
    file = folder / "billingual.toml"
    url = served.base_url("exante")
    text = f'[profiles.prod]\nprovider = "exante"\nbase_url = "{url}"\n' + "\n".join(lines)
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    return {"BILLINGUAL_CONFIG": str(file)}


def test_everything_is_well_without_an_account(billingual: Command) -> None:
    """The sandbox is asked as any provider would be."""
    done = billingual("doctor", "-o", "json")

    assert done.returncode == 0
    found = _results(done.stdout)
    assert found["installation"] == found["configuration"] == found["connection"] == "ok"
    assert found["token"] == "ok"


def test_a_server_is_asked_with_the_token(billingual: Command, served: Running) -> None:
    """The exit code is 0, and the token appears nowhere."""
    base = served.base_url("exante")
    done = billingual("doctor", "--base-url", base, "-o", "json", env=SECRET)

    assert done.returncode == 0
    assert set(_results(done.stdout).values()) == {"ok"}
    assert TOKEN not in done.stdout + done.stderr


@pytest.mark.parametrize(("behind_s", "result"), [(0, "ok"), (3600, "warning"), (-3600, "warning")])
def test_the_clock_is_compared_with_the_providers(
    billingual: Command, behind_s: int, result: str
) -> None:
    """An hour apart is told, whatever else the provider says."""

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(HTTPStatus.UNAUTHORIZED)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string((timestamp or time.time()) - behind_s)

    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        done = billingual("doctor", "--base-url", base, "-o", "json", env=SECRET)
        server.shutdown()

    found = _results(done.stdout)
    assert (done.returncode, found["token"], found["clock"]) == (3, "failed", result)


@pytest.mark.parametrize(
    ("env", "base_url", "code", "check"),
    [
        ({}, "http://127.0.0.1:1", 2, "configuration"),
        (SECRET, "http://127.0.0.1:1", 6, "connection"),
        ({"BILLINGUAL_TOKEN": "wrong"}, None, 3, "token"),
    ],
    ids=["no token", "no server", "wrong token"],
)
def test_the_first_thing_that_fails_is_named_and_gives_the_code(
    billingual: Command, served: Running, env: dict[str, str],
    base_url: str | None, code: int, check: str,
) -> None:  # fmt: skip
    """What is before it in the table is well."""
    base = base_url or served.base_url("exante")
    done = billingual("doctor", "--base-url", base, "-o", "json", env=env)

    found = _results(done.stdout)
    assert (done.returncode, found[check]) == (code, "failed")
    assert [each for each, result in found.items() if result == "failed"] == [check]


def test_a_provider_without_reads_is_not_asked(billingual: Command) -> None:
    """Nothing harmless could be sent, and the table says so."""
    found = _results(billingual("doctor", "--provider", "katsu", "-o", "json").stdout)

    assert (found["connection"], found["token"]) == ("unknown", "unknown")


def test_a_profile_gives_provider_address_and_token(
    billingual: Command, served: Running, tmp_path: Path
) -> None:
    """An option wins over the profile; another token than the profile's own is never sent."""
    env = {**_profile_file(tmp_path, served, token_env="SHOP_TOKEN"), "SHOP_TOKEN": TOKEN}
    env["BILLINGUAL_TOKEN"] = "of-another-provider"

    listed = billingual("list", "--profile", "prod", "-o", "json", env=env)
    chosen = billingual("list", "-o", "json", env={**env, "BILLINGUAL_PROFILE": "prod"})
    elsewhere = billingual("list", "--profile", "prod", "--base-url", "http://127.0.0.1:1", env=env)
    other = billingual("list", "--profile", "prod", "--provider", "kukkingu", env=env)
    missing = billingual("list", "--profile", "prd", env=env)

    assert (listed.returncode, chosen.stdout) == (0, listed.stdout)
    assert len(json.loads(listed.stdout)) == 20
    assert elsewhere.returncode == 6
    assert other.returncode == missing.returncode == 2
    assert "leave --provider kukkingu out" in " ".join(other.stderr.split())
    assert "prod" in missing.stderr


def test_profiles_are_listed_without_their_tokens(
    billingual: Command, served: Running, tmp_path: Path
) -> None:
    """Where a token comes from is shown; the token and the password of an address are not."""
    env = _profile_file(tmp_path, served, token="tok-secret")
    file = Path(env["BILLINGUAL_CONFIG"])
    more = '\n[profiles.dev]\nurl = "exante://me:hidden@host/x?tenant=t"\ntoken_env = "NOT_SET"\n'
    file.write_text(file.read_text(encoding="utf-8") + more, encoding="utf-8")

    table = billingual("profiles", env=env)
    rows = json.loads(billingual("profiles", "-o", "json", env=env).stdout)

    assert table.returncode == 0
    assert [(each["name"], each["token"]) for each in rows] == [
        ("prod", "in the file"), ("dev", "NOT_SET, which is not set"),
    ]  # fmt: skip
    assert rows[1]["address"] == "exante://***@host/x?tenant=t"
    for text in (table.stdout, table.stderr, json.dumps(rows)):
        assert "tok-secret" not in text
        assert "hidden" not in text


def test_without_a_file_profiles_say_where_to_write_one(
    billingual: Command, tmp_path: Path
) -> None:
    """The error names the places."""
    missing = billingual("profiles", env={"XDG_CONFIG_HOME": str(tmp_path)})

    assert missing.returncode == 2
    assert "billingual.toml" in missing.stderr


def test_a_tenant_that_is_missing_is_a_fault_of_the_configuration(
    billingual: Command, served: Running
) -> None:
    """It is found before anything is sent."""
    base = served.base_url("kukkingu")
    account = ("--provider", "kukkingu", "--base-url", base)
    env = {"BILLINGUAL_TOKEN": ACCOUNTS["kukkingu"].token}

    refused = billingual("doctor", *account, "-o", "json", env=env)
    well = billingual("doctor", *account, "--tenant", LANDMARKS["kukkingu_tenant"], env=env)

    assert (refused.returncode, well.returncode) == (2, 0)
    assert json.loads(refused.stdout)[-1]["check"] == "configuration"
    assert "--tenant" in json.loads(refused.stdout)[-1]["detail"]
