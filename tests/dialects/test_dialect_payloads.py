"""Invoices keep their payload; ``raw`` and ``extra`` are made of it on first touch."""

from __future__ import annotations

import copy
import gc
import json
import pickle
import threading
import weakref
from typing import Any

import attrs
import pytest

from _support.conversations import SAMPLE_UID, converse, golden
from billingual.dialects.exante.dialect import ExanteDialect
from billingual.model import Invoice, Page, Query
from billingual.wire import WireResponse

EXANTE = ExanteDialect()
BODY = json.dumps(golden("exante_create")["response"]).encode()
LIST = json.dumps(golden("exante_list")["response"]).encode()
NAMES = [field.name for field in attrs.fields(Invoice)]


def read(*, at_once: bool = False, mark: bytes = b"") -> Invoice:
    """Read the sample; half of a surrogate pair has it read in the slow way, with nothing left."""
    body = mark + (BODY.replace(b'"Success"', rb'"\ud800"') if at_once else BODY)
    invoice: Invoice = converse(EXANTE, EXANTE.get(SAMPLE_UID), WireResponse(status=200, body=body))
    return invoice


def read_page() -> Page:
    """Read the sample of a list."""
    page: Page = converse(
        EXANTE, EXANTE.list_page(Query(page=123)), WireResponse(status=200, body=LIST)
    )
    return page


def test_raw_alone_is_left_for_later() -> None:
    """All other attributes are made at once; one with undocumented fields leaves ``extra`` too."""
    more = json.dumps({"data": {"uid": SAMPLE_UID, "new": 1}}).encode()
    invoice = converse(EXANTE, EXANTE.get(SAMPLE_UID), WireResponse(status=200, body=more))

    assert {"raw"} == pending(read())
    assert {"raw", "extra"} == pending(invoice)
    assert set() == pending(read(at_once=True))
    assert ({"new": 1}, {"uid": SAMPLE_UID, "new": 1}) == (invoice.extra, invoice.raw)
    assert set() == pending(invoice)


def test_what_is_left_for_later_slows_no_other_attribute() -> None:
    """A class with ``__getattr__`` has all its attributes read through a slower way."""
    assert not any(hasattr(kind, "__getattr__") for kind in (Invoice, Page))


def test_an_attribute_that_no_model_has_is_missing_in_the_usual_words() -> None:
    """Also on a model whose ``raw`` is yet to be made, and on one that holds nothing at all."""
    for value, name in [(read(), "rows"), (Invoice.__new__(Invoice), "raw")]:
        with pytest.raises(AttributeError, match=name):
            getattr(value, name)


def pending(value: Invoice) -> set[str]:
    """List the attributes that were not read yet."""
    slots = {
        name: getattr(type(value), f"_{name}", None) or getattr(type(value), name) for name in NAMES
    }
    return {name for name, slot in slots.items() if not is_set(slot, value)}


def is_set(slot: Any, value: object) -> bool:
    """Look into a slot without filling it."""
    try:
        slot.__get__(value)
    except AttributeError:
        return False
    return True


def test_a_byte_order_mark_means_nothing() -> None:
    """It is passed over, and the rest is read as ever."""
    marked = read(mark=b"\xef\xbb\xbf")

    assert (read(), read().raw) == (marked, marked.raw)


@pytest.mark.parametrize("name", NAMES)
def test_any_attribute_may_be_touched_first(name: str) -> None:
    """Whichever is asked for first, it is what it would have been."""
    assert getattr(read(at_once=True), name) == getattr(read(), name)


@pytest.mark.parametrize("name", NAMES)
def test_what_was_touched_stays(name: str) -> None:
    """A second look finds the same object, so that no copies drift apart."""
    invoice = read()

    assert getattr(invoice, name) is getattr(invoice, name)


COPIES: dict[str, Any] = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),  # noqa: S301 - our own
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "evolve": attrs.evolve,
}


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_is_whole(how: str) -> None:
    """A copy of what was not looked at has all attributes, of invoices and of pages."""
    invoice, page = COPIES[how](read()), COPIES[how](read_page())

    assert read(at_once=True) == invoice
    assert invoice.raw == read().raw
    assert page == read_page()
    assert page.raw == json.loads(LIST)


def test_all_attributes_are_there_for_tools() -> None:
    """What looks at a value by its fields sees all of it."""
    assert attrs.asdict(read(at_once=True)) == attrs.asdict(read())
    assert repr(read(at_once=True)) == repr(read())


def test_nothing_else_is_there() -> None:
    """A name that is not declared is an AttributeError with that name, before and after a touch."""
    invoice = read()
    for value, name in ((invoice, "totl"), (read_page(), "rows"), (Invoice(id="a"), "x")):
        for _ in range(2):
            with pytest.raises(AttributeError, match=f"object has no attribute '{name}'") as caught:
                getattr(value, name)

            assert (name, value) == (caught.value.name, caught.value.obj)
            assert not hasattr(value, "_repr_latex_")
            assert value.raw is not None


def test_it_is_as_frozen_as_any() -> None:
    """Nothing can be set or deleted, read or not."""
    invoice = read()
    for name in ("id", "status", "raw"):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(invoice, name, None)
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            delattr(invoice, name)


def test_threads_may_touch_it_at_once() -> None:
    """All threads see the same values, in whichever order they come."""
    invoices = [read() for _ in range(50)]
    seen: list[list[object]] = []

    def look() -> None:
        seen.append([(each.status, each.lines, each.extra, each.raw) for each in invoices])

    threads = [threading.Thread(target=look) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert [seen[0]] * 8 == seen


def test_a_row_does_not_hold_its_page() -> None:
    """Who keeps one row of a list keeps the bytes of that row, not those of the whole response."""
    page = read_page()
    row, gone = page.items[0], weakref.ref(page)
    del page
    gc.collect()
    held = [each for each in gc.get_referents(row) if isinstance(each, bytes)]

    assert gone() is None
    assert [row.raw] == [json.loads(each) for each in held]
