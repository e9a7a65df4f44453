"""The notebook runs from its first cell to its last, in a kernel of Jupyter."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "late_payers.ipynb"


@pytest.fixture(scope="module")
def executed() -> Any:
    """The notebook with what its cells showed."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    # Not by TCP: ports are chosen before the kernel binds them, and another process may be first.
    # A socket's path may have 107 bytes, and that of a test's folder can be longer.
    place = tempfile.mkdtemp(prefix="kernel-")
    manager = AsyncKernelManager(
        kernel_name="python3",
        transport="ipc",
        ip=f"{place}/socket",
        connection_file=f"{place}/kernel.json",
    )
    # What the notebook writes goes with it.
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("TMPDIR", place)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Jupyter's own parts
            NotebookClient(notebook, km=manager, timeout=120).execute()
    finally:
        monkeypatch.undo()
        shutil.rmtree(place)
    return notebook


def _html_of(notebook: Any, code: str) -> str:
    """Return what the cell that ends with *code* showed as HTML."""
    cell = next(each for each in notebook.cells if each.source.splitlines()[-1:] == [code])
    shown: str = cell.outputs[-1].data["text/html"]
    return shown


def test_no_cell_complains(executed: Any) -> None:
    """There is no error, and no warning on stderr."""
    outputs = [each for cell in executed.cells for each in cell.get("outputs", ())]

    assert {"execute_result"} == {each.output_type for each in outputs}


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("invoices.capabilities", "What exante can do"),
        ("late", "counterparty"),
        ('next(invoices.list(Filter(status="OVERDUE"), page_size=3).pages())', "page 1: 3 of"),
        ("invoices.get(late[0].id)", "amount_remaining"),
        ("report", "5 of 5 writes are committed"),
        ('invoices.land(folder / "lake", since="2026-09-01")', "Landed in"),
        ("largest", "InvoiceSummary"),
    ],
)
def test_what_comes_back_is_shown_as_html(executed: Any, code: str, text: str) -> None:
    """Lists, an invoice, capabilities and reports, of both clients."""
    assert text in _html_of(executed, code)


def test_the_notebook_is_kept_without_its_outputs() -> None:
    """They would differ with each run, and hide what a change does."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)

    assert [] == [each for cell in notebook.cells for each in cell.get("outputs", ())]
    assert {None} == {cell.get("execution_count") for cell in notebook.cells}
