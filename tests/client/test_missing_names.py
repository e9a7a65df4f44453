"""People try the names of the SDK they know; the error lists ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from billingual import AsyncClient, AsyncJob, Client, Job, MemoryTransport, NotFoundError

FACES = [(Client, Job), (AsyncClient, AsyncJob)]


@pytest.mark.parametrize(("client_class", "job_class"), FACES)
def test_a_missing_name_lists_those_that_there_are(
    client_class: Any, job_class: Any, tmp_path: Path
) -> None:
    """``client.invoices.retrieve`` is stripe's, ``.all()`` that of many others."""
    client = client_class("exante", transport=MemoryTransport([]))
    job = job_class.open(tmp_path / "job.db", client)

    with pytest.raises(AttributeError, match=r"has no attribute 'invoices'; it has .*create.*get"):
        _ = client.invoices
    with pytest.raises(AttributeError, match=r"has no attribute 'all'; it has .*collect.*pages"):
        _ = client.list().all
    with pytest.raises(AttributeError, match=r"has no attribute 'read'; it has .*read_all"):
        _ = client.list().arrow().read
    with pytest.raises(AttributeError, match=r"has no attribute 'resume'; it has .*run"):
        _ = job.resume


def test_a_missing_name_of_an_error_lists_those_that_there_are() -> None:
    """Code for errors is seldom run: ``status_code`` is that of requests and openai."""
    refused = MemoryTransport([MemoryTransport.json("{}", status=404)])
    with (
        Client("exante", transport=refused) as client,
        pytest.raises(NotFoundError) as caught,
    ):
        client.get("3c90c3cc-0d44-4b50-8888-8dd25736052a")

    with pytest.raises(AttributeError, match=r"no attribute 'status_code'; it has .*body.*status"):
        _ = caught.value.status_code  # type: ignore[attr-defined]  # that is what is tried


@pytest.mark.parametrize(("client_class", "job_class"), FACES)
def test_a_job_shows_the_client_that_it_was_given(
    client_class: Any, job_class: Any, tmp_path: Path
) -> None:
    """A blocking job holds an awaited one, which holds an awaited client."""
    client = client_class("exante", transport=MemoryTransport([]))

    shown = repr(job_class.open(tmp_path / "job.db", client))

    assert shown.startswith(f"{job_class.__name__}(")
    assert f" {client_class.__name__}('exante'" in shown
