"""The sandbox is an independent witness: it shares nothing with what it witnesses."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import billingual.sandbox
from _support.sandbox_app import Caller, step
from billingual.sandbox import ACCOUNTS, CREDENTIALS, LANDMARKS, Sandbox

FOLDER = Path(billingual.sandbox.__file__).parent
MODULES = sorted(FOLDER.rglob("*.py"))
ALLOWED = {"attrs", "starlette", "billingual.sandbox"}
ALSO = {"app.py": {"anyio"}, "server.py": {"uvicorn"}, "site.py": {"anyio"}}


def imports(path: Path) -> set[str]:
    """Give every module a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." * node.level + (node.module or ""))
    return names


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_imports_nothing_of_billingual_but_the_sandbox(path: Path) -> None:
    """Nor any third party beyond the few that are allowed; asyncio is nowhere."""
    allowed = ALLOWED | ALSO.get(path.name, set())
    foreign = {
        name
        for name in imports(path)
        if name.partition(".")[0] not in sys.stdlib_module_names
        and not any(name == root or name.startswith(f"{root}.") for root in allowed)
    }

    assert set() == foreign
    assert "asyncio" not in imports(path)


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_a_module_is_short(path: Path) -> None:
    """Fewer than 400 lines each."""
    assert len(path.read_text(encoding="utf-8").splitlines()) < 400


@pytest.mark.slow
def test_a_sandbox_in_this_process_imports_neither_server_nor_page() -> None:
    """Both are loaded by `serve` and `running` only."""
    program = (
        "import sys; from billingual.sandbox import create_app; create_app(invoices=0);"
        " print([name for name in sys.modules if 'uvicorn' in name or 'sandbox.page' in name])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert result.stdout.strip() == "[]"


def test_every_exported_name_exists() -> None:
    """`__all__` is sorted and each name can be had, the lazy ones too."""
    names = billingual.sandbox.__all__

    assert (
        sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name)) == names
    )
    assert all(hasattr(billingual.sandbox, name) for name in names)
    with pytest.raises(AttributeError, match="nothing"):
        _ = billingual.sandbox.nothing


@pytest.mark.parametrize(
    ("credential", "method", "path", "body"),
    [
        ("exante", "GET", "/api/invoices", None),
        ("kukkingu", "GET", "/api/v1/invoices", None),
        ("katsu", "PUT", "/api/v1/Invoice/Update", {"id": LANDMARKS["katsu_invoice"]}),
    ],
)
def test_a_request_needs_no_event_loop(
    app: Sandbox, credential: str, method: str, path: str, body: object
) -> None:
    """One step of the coroutine carries a request of each provider to its end."""
    assert Caller(app, credential)(method, path, body).status == 200


def test_documents_and_index_need_no_event_loop(app: Sandbox) -> None:
    """Nothing of the app suspends."""
    paths = ["/", "/_sandbox/state", "/nowhere", *[f"/{name}/openapi.json" for name in ACCOUNTS]]

    assert [step(app, "GET", path, headers={}).reply().status for path in paths] == [
        200,
        200,
        404,
        200,
        200,
        200,
    ]


def test_a_head_request_has_no_body(app: Sandbox) -> None:
    """HEAD answers what GET would, without the body."""
    caller = Caller(app, "exante")

    assert ((reply := caller("HEAD", "/api/user")).status, reply.body) == (200, b"")
    assert caller("GET", "/api/user").headers == reply.headers


def test_an_account_hides_its_token() -> None:
    """Neither repr nor str shows it."""
    for account in CREDENTIALS.values():
        assert account.token not in f"{account!r} {account}"


def test_default_accounts_look_as_documented() -> None:
    """Exante keys begin `ex_live_`; tenant and contract ids have 24 lower-case alphanumerics."""
    assert ACCOUNTS["exante"].token.startswith("ex_live_")
    for name in ("kukkingu_tenant", "kukkingu_contract"):
        prefix, _, rest = LANDMARKS[name].partition("_")
        assert prefix in {"tnt", "ctr"}
        assert len(rest) == 24
        assert rest.isalnum()
        assert rest == rest.lower()
