"""The plugin of pytest, as a program's tests see it: each test runs a pytest of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx  # noqa: F401 - pytester forgets what is first imported inside
import hypothesis  # noqa: F401 - likewise
import pytest
import trio  # noqa: F401 - likewise

import billingual.sandbox.server
import billingual.testing.factories
import billingual.testing.faults
import billingual.testing.recording.tapes
import billingual.testing.sandbox_clock
import billingual.testing.strategies
import billingual.transports.httpx
import billingual.transports.sandbox  # noqa: F401 - likewise
from billingual import InvalidInputError, Money
from billingual.testing import InvoiceFactory

pytest_plugins = ["pytester"]

STRICT = ("-W", "error", "--strict-markers", "-p", "no:cacheprovider", "-q")


def run(pytester: pytest.Pytester, code: str, *options: str) -> pytest.RunResult:
    """Run the tests in *code*, where every warning is an error."""
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makepyfile(test_program=code)
    return pytester.runpytest_inprocess(*STRICT, *options)


def test_a_sandbox_is_fresh_for_each_test(pytester: pytest.Pytester) -> None:
    """What one test creates, the next one does not find; data and time are the same again."""
    result = run(
        pytester,
        """
        import pytest

        @pytest.mark.parametrize("time", [1, 2])
        def test_create(sandbox, sandbox_client, draft_factory, clock, time):
            assert len(sandbox_client.list().collect(limit=1000)) == 40
            made = sandbox_client.create(draft_factory())
            assert made.number == "TEST-0001"
            assert sandbox_client.get(made.id) == made
            assert sandbox.requests()[-1]["method"] == "GET"
            assert str(clock.now) == "2026-11-21 09:00:00+00:00"
            clock.advance(days=1)
        """,
    )
    result.assert_outcomes(passed=2)


def test_the_marker_chooses_provider_and_data(pytester: pytest.Pytester) -> None:
    """The nearest marker wins, option by option."""
    result = run(
        pytester,
        """
        import pytest

        pytestmark = pytest.mark.billingual(provider="kukkingu", invoices=3)

        def test_of_the_module(sandbox_client, draft_factory):
            made = sandbox_client.create(draft_factory())
            assert sandbox_client.finalize(made.id).status == "FINALIZED"

        @pytest.mark.billingual(provider="katsu")
        def test_of_a_provider_without_drafts(sandbox_client):
            assert sandbox_client.capabilities.provider == "katsu"

        @pytest.mark.billingual(provider="exante", retry="none")
        def test_of_its_own(sandbox, sandbox_client):
            assert sandbox_client.capabilities.provider == "exante"
            assert sandbox.sandbox_state.invoices == 3
        """,
    )
    result.assert_outcomes(passed=3)


def test_an_unknown_option_of_the_marker_is_refused(pytester: pytest.Pytester) -> None:
    """The error lists the options that there are."""
    result = run(
        pytester,
        """
        import pytest

        @pytest.mark.billingual(invoice=3)
        def test_it(sandbox):
            pass
        """,
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*takes provider=, invoices=, seed=, retry=, and not invoice*"])


def test_an_option_of_the_marker_of_another_kind_is_refused(pytester: pytest.Pytester) -> None:
    """The error names the option and the test."""
    result = run(
        pytester,
        """
        import pytest

        @pytest.mark.billingual(invoices="5")
        def test_it(sandbox):
            pass
        """,
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*billingual(invoices='5') is no whole number*::test_it*"])


def test_a_fault_meets_the_next_request_of_its_operation(pytester: pytest.Pytester) -> None:
    """The server acts and fails; other operations are left alone."""
    result = run(
        pytester,
        """
        import pytest
        from billingual import Changes, OutcomeUnknown

        @pytest.mark.billingual(retry="none")
        def test_lost(sandbox_client, faults, draft_factory):
            made = sandbox_client.create(draft_factory())
            faults.next("server_error_after_acting", of="update")
            assert sandbox_client.get(made.id) == made
            with pytest.raises(OutcomeUnknown):
                sandbox_client.update(made.id, Changes(number="N-2"))
            assert sandbox_client.get(made.id).number == "N-2"
            assert faults.struck == (("update", "server_error_after_acting"),)

        def test_own_words(sandbox_client, faults):
            faults.next("unavailable", of=lambda request: "per_page=7" in request.url)
            faults.clear()
            assert sandbox_client.list(page_size=7).first()
        """,
    )
    result.assert_outcomes(passed=2)


def test_a_fault_that_no_request_met_fails_the_test(pytester: pytest.Pytester) -> None:
    """Such a test shows nothing of what it was written for."""
    result = run(
        pytester,
        """
        def test_nothing(sandbox_client, faults):
            faults.next("response_lost", of="create")
            sandbox_client.list().first()
        """,
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*'response_lost' for the next request of create, 1 to come*"])


def test_the_async_client_works_on_every_plugin_for_async_tests(pytester: pytest.Pytester) -> None:
    """pytest-asyncio and anyio's plugin, in one file, in process and over a socket."""
    result = run(
        pytester,
        """
        import pytest

        @pytest.fixture(params=["asyncio", "trio"])
        def anyio_backend(request):
            return request.param

        async def use(client, draft):
            made = await client.create(draft)
            assert await client.get(made.id) == made

        @pytest.mark.asyncio
        async def test_asyncio(async_sandbox_client, draft_factory):
            await use(async_sandbox_client, draft_factory())

        @pytest.mark.anyio
        async def test_anyio(async_sandbox_client, draft_factory):
            await use(async_sandbox_client, draft_factory())

        @pytest.mark.asyncio
        async def test_served_asyncio(async_sandbox_client, draft_factory, sandbox_server):
            async with async_sandbox_client as client:
                await use(client, draft_factory())

        @pytest.mark.anyio
        async def test_served_anyio(async_sandbox_client, draft_factory, sandbox_server):
            await use(async_sandbox_client, draft_factory())
        """,
    )
    result.assert_outcomes(passed=6)


def test_a_served_sandbox_is_the_one_of_all_fixtures(pytester: pytest.Pytester) -> None:
    """Clients, clock and faults are those of the server that the program is given the URL of."""
    result = run(
        pytester,
        """
        import urllib.request, json
        import pytest
        from billingual import Client, errors

        @pytest.mark.billingual(retry="none")
        def test_served(sandbox_server, sandbox, sandbox_client, sandbox_transport, clock, faults):
            assert sandbox_server.app is sandbox
            clock.set("2027-02-01")
            with urllib.request.urlopen(sandbox_server.url + "/_sandbox/clock") as response:
                assert json.load(response)["now"].startswith("2027-02-01T00:00:00")
            assert sandbox_client.list().first()
            with Client("kukkingu", transport=sandbox_transport) as client:
                assert client.list().first()
            assert [each["status"] for each in sandbox.requests()] == [200, 200]
            faults.next("forbidden")
            with pytest.raises(errors.ProviderError):
                sandbox_client.list().first()
            sandbox.add_fault("drop_before_commit")
            with pytest.raises(errors.ConnectionLostError):
                sandbox_client.list().first()
        """,
    )
    result.assert_outcomes(passed=1)


RECORDED = """
    import pytest
    from billingual import Client, Filter

    @pytest.mark.parametrize("words", ["OVERDUE", "PAID", "a/b:c"])
    def test_list(recorded, sandbox_transport, words):
        with Client("exante", transport=recorded.over(sandbox_transport)) as client:
            client.list(Filter(status=words)).first()
"""


def tapes(pytester: pytest.Pytester) -> dict[str, int]:
    """Count the exchanges on each tape that there is."""
    found = sorted((pytester.path / "tapes" / "test_program").glob("*"))
    texts = {path.stem: path.read_text(encoding="utf-8") for path in found}
    assert not any("ex_live_sandbox" in text for text in texts.values())
    return {name: len(json.loads(text)["exchanges"]) for name, text in texts.items()}


def test_a_tape_is_recorded_once_and_then_played(pytester: pytest.Pytester) -> None:
    """Without a tape nothing is sent; a tape has a name that every file system takes."""
    missing = run(pytester, RECORDED)
    missing.assert_outcomes(failed=3)
    missing.stdout.fnmatch_lines(["*there is no tape *--billingual-record=once*"])
    assert tapes(pytester) == {}

    run(pytester, RECORDED, "--billingual-record=once").assert_outcomes(passed=3)
    first = tapes(pytester)
    assert list(first.values()) == [1, 1, 1]
    assert [name[:19] for name in first] == [
        "test_list[OVERDUE]", "test_list[PAID]", "test_list[a_b_c]-c3",
    ]  # fmt: skip

    run(pytester, RECORDED.replace(".over(sandbox_transport)", "")).assert_outcomes(passed=3)


def test_each_mode_keeps_its_promise(pytester: pytest.Pytester) -> None:
    """What is asked beyond a tape fails, or is added to it; ``all`` makes the tape anew."""
    once = "--billingual-record=once"
    more = RECORDED + "            client.list(page_size=3).first()\n"
    run(pytester, RECORDED, once)
    before = tapes(pytester)

    for options in ((), (once,)):
        run(pytester, more, *options).assert_outcomes(failed=3)
        assert before == tapes(pytester)

    one_sent = more.replace("words):", "words, sandbox):", 1)
    one_sent += "        assert len(sandbox.requests()) == 1\n"
    run(pytester, one_sent, "--billingual-record=new_episodes").assert_outcomes(passed=3)
    assert list(tapes(pytester).values()) == [2, 2, 2]
    run(pytester, more).assert_outcomes(passed=3)

    run(pytester, RECORDED).assert_outcomes(failed=3)  # a part of the tape is not played
    run(pytester, RECORDED, "--billingual-record=all").assert_outcomes(passed=3)
    assert before == tapes(pytester)


def test_each_client_of_a_test_has_a_tape(pytester: pytest.Pytester) -> None:
    """Two clients do not write over each other's exchanges."""
    code = """
        from billingual import Client

        def test_two(recorded, sandbox_transport):
            for size in (2, 3):
                with Client("exante", transport=recorded.over(sandbox_transport)) as client:
                    client.list(page_size=size).first()
    """
    run(pytester, code, "--billingual-record=once").assert_outcomes(passed=1)
    assert tapes(pytester) == {"test_two": 1, "test_two-2": 1}
    run(pytester, code).assert_outcomes(passed=1)


@pytest.mark.slow
def test_it_works_in_processes_and_in_any_order(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pytest-xdist runs the tests in two processes, pytest-randomly in another order."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # it is what each process waits for
    code = """
        import pytest

        @pytest.mark.parametrize("number", range(6))
        def test_numbers(sandbox_client, draft_factory, invoice_factory, number):
            assert sandbox_client.create(draft_factory()).number == "TEST-0001"
            assert invoice_factory().id.endswith("-000000000001")
    """
    ours = "billingual.testing.pytest_plugin"
    plugins = ("xdist", "pytest_randomly", "pytest_asyncio.plugin", ours)
    result = run(pytester, code, *(f"-p{each}" for each in plugins), "-n2")
    result.assert_outcomes(passed=6)


def test_a_factory_of_invoices_keeps_to_the_fields_that_are_given() -> None:
    """A misspelt name is answered, and an amount of 0.00 is one that was given."""
    make = InvoiceFactory()
    for wrong, text in (
        ({"nummer": "INV-1"}, "nummer: Invoice has no such field; perhaps you meant number"),
        ({"total": 12.5}, "total: float is no Money"),
    ):
        with pytest.raises(InvalidInputError, match=text):
            make(**wrong)

    free = make(total=Money(0, "EUR"))
    assert (free.total, free.subtotal, free.amount_due) == (Money(0, "EUR"),) * 3
    assert (
        Money(100, "EUR")
        == make(
            status="PAID", total=Money(100, "EUR"), amount_paid=Money(0, "EUR")
        ).amount_remaining
    )


def test_the_documented_tests_pass(pytester: pytest.Pytester) -> None:
    """All but the one that wants a tape, which fails as the page says."""
    page = Path(__file__).parents[2] / "docs" / "testing.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    result = run(pytester, "\n".join(blocks))
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*there is no tape *test_the_first_invoice.json*"])


def test_fixtures_are_explained(pytester: pytest.Pytester) -> None:
    """``pytest --fixtures`` shows each with what to write."""
    result = run(pytester, "", "--fixtures")
    for name in (
        "async_sandbox_client", "clock", "draft_factory", "faults", "invoice_factory", "recorded",
        "sandbox", "sandbox_client", "sandbox_server", "sandbox_transport",
    ):  # fmt: skip
        result.stdout.re_match_lines_random([rf"{name} -- .*pytest_plugin.*"])
    result.stdout.fnmatch_lines(['*faults.next("server_error_after_acting", of="update")*'])
    markers = run(pytester, "", "--markers")
    markers.stdout.fnmatch_lines(["@pytest.mark.billingual(provider='exante', invoices=50, *"])


@pytest.mark.parametrize("way", ["conftest", "option"])
def test_a_program_may_name_the_plugin_that_pytest_loads_by_itself(
    tmp_path: Path, way: str
) -> None:
    """A name that pytest does not know would be a second plugin, which it refuses."""
    module = "billingual.testing.pytest_plugin"
    (tmp_path / "test_program.py").write_text(
        "def test_it(pytestconfig): assert pytestconfig.getoption('billingual_record') == 'none'"
    )
    options = ["-q", "-p", "no:cacheprovider"]
    if way == "conftest":
        (tmp_path / "conftest.py").write_text(f"pytest_plugins = [{module!r}]\n")
    else:
        options += ["-p", module]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_programs_that_do_not_use_it_pay_nothing(tmp_path: Path) -> None:
    """With the plugin loaded and no fixture used, no part of billingual is imported."""
    (tmp_path / "test_other.py").write_text("def test_it(): pass\n")
    code = """
import sys, pytest
assert pytest.main(["-q", "-p", "billingual.testing.pytest_plugin"]) == 0
print(*sorted(name for name in sys.modules if name.partition(".")[0] in {
    "anyio", "attrs", "billingual", "httpx", "hypothesis", "starlette"}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines()[-1].split() == [
        "billingual", "billingual._lazy", "billingual.testing", "billingual.testing.pytest_plugin",
    ]  # fmt: skip
