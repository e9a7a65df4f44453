"""A client is made where it is used: it is neither copied nor pickled, and says so."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from billingual import AsyncClient, Client, MemoryTransport, UsageError


@pytest.mark.parametrize("face", [Client, AsyncClient])
@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_client_is_not_copied_or_pickled(face: Any, way: Any) -> None:
    """A copy would share connections that another client closes; a pickle would hold a token."""
    client = face("exante", transport=MemoryTransport([]), token="secret_" + "a" * 20)

    with pytest.raises(UsageError, match="make a client where it is used") as caught:
        way(client)

    assert "secret_" not in str(caught.value)
    assert len({client, client}) == 1


@pytest.mark.parametrize("face", [Client, AsyncClient])
@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickle.dumps])
def test_what_a_client_hands_out_is_not_copied_or_pickled_either(face: Any, way: Any) -> None:
    """A list, a walk and previews hold the client."""
    client = face("exante", transport=MemoryTransport([]), token="secret_" + "a" * 20)
    pager = client.list()
    walk = iter if face is Client else aiter

    for held in (client.preview, pager, pager.pages(), walk(pager)):
        with pytest.raises(UsageError, match="holds connections and secrets"):
            way(held)
