"""G16: the judge of the simulation finds each wrong history, and no fault in a right one."""

from __future__ import annotations

import pytest

from _support.simulation.history import CREATED, DELETED, LOCKED, Event, Kind, Write, judge

CREATE = {"a": Write(operation="create")}
DUE = "inv_1.due_at"
PAID = "inv_1.paid_at"
UPDATES = {
    "a": Write(operation="update", values=((DUE, "A"),)),
    "b": Write(operation="update", values=((DUE, "B"),)),
}
START = Event(0.0, "start", 0, (), ((DUE, "old"), (PAID, "old")))
HISTORY = list[tuple[float, Kind, int, str]]


def creates(steps: HISTORY) -> list[Event]:
    """Write a history of creates."""
    return [
        Event(at, kind, request, (name,), ((CREATED, f"inv_{at}"),) if kind == "effect" else ())
        for at, kind, request, name in steps
    ]


def updates(steps: HISTORY) -> list[Event]:
    """Write a history of updates of one field; without a request another program writes *name*.

    What is shown is the last step's text.
    """
    events = [START]
    for at, kind, request, name in steps:
        if kind == "shown" or (kind == "effect" and not request):
            events.append(Event(at, kind, 0, (), ((DUE, name),)))
        elif kind == "effect":
            events.append(Event(at, kind, request, (name,), ((DUE, name.upper()),)))
        else:
            events.append(Event(at, kind, request, (name,)))
    return events


@pytest.mark.parametrize(
    ("steps", "verdict"),
    [
        pytest.param([(1, "invoke", 1, "a"), (2, "effect", 1, "a"), (3, "ok", 1, "a")],
                     "committed", id="carried out"),
        pytest.param([(1, "invoke", 1, "a"), (3, "info", 1, "a"), (60, "effect", 1, "a")],
                     "committed", id="carried out late"),
        pytest.param([(1, "invoke", 1, "a"), (2, "fail", 1, "a"), (3, "invoke", 2, "a"),
                      (4, "effect", 2, "a"), (5, "ok", 2, "a")],
                     "committed", id="refused, and sent again"),
        pytest.param([(1, "invoke", 1, "a"), (3, "info", 1, "a"), (70, "invoke", 2, "a"),
                      (71, "effect", 2, "a")],
                     "committed", id="killed after the second request"),
    ],
)  # fmt: skip
def test_a_right_create_is_not_blamed(steps: HISTORY, verdict: str) -> None:
    """A request without a known end may act whenever it likes, once."""
    assert [] == judge(creates(steps), CREATE, {"a": verdict})


@pytest.mark.parametrize(
    ("steps", "verdict", "kind"),
    [
        pytest.param([], None, "lost", id="the job forgot it"),
        pytest.param([(1, "invoke", 1, "a"), (2, "info", 1, "a")], "committed", "lost",
                     id="adopted, and not there"),
        pytest.param([(1, "invoke", 1, "a"), (2, "ok", 1, "a")], "committed", "lost",
                     id="acknowledged, and not there"),
        pytest.param([(1, "invoke", 1, "a"), (2, "ok", 1, "a"), (3, "effect", 1, "a")],
                     "committed", "lost", id="acknowledged before it was there"),
        pytest.param([(1, "invoke", 1, "a"), (2, "info", 1, "a"), (3, "invoke", 2, "a"),
                      (4, "effect", 2, "a"), (5, "ok", 2, "a"), (6, "effect", 1, "a")],
                     "committed", "doubled", id="the first request came late"),
        pytest.param([(1, "invoke", 1, "a"), (2, "effect", 1, "a"), (3, "effect", 1, "a"),
                      (4, "ok", 1, "a")], "doubled", "doubled", id="delivered twice"),
        pytest.param([(1, "invoke", 1, "a"), (2, "effect", 1, "a"), (3, "info", 1, "a"),
                      (4, "invoke", 2, "a"), (5, "fail", 2, "a")],
                     "rejected", "wrongly rejected", id="the echo of its own success"),
        pytest.param([(1, "invoke", 1, "a"), (2, "fail", 1, "a")], "rejected", "wrongly rejected",
                     id="nothing was wrong with it"),
        pytest.param([(1, "invoke", 1, "a"), (2, "effect", 1, "a"), (3, "fail", 1, "a")],
                     "committed", "wrongly failed", id="said to have done nothing"),
        pytest.param([(1, "effect", 1, "a"), (2, "invoke", 1, "a"), (3, "ok", 1, "a")],
                     "committed", "out of order", id="carried out before it was begun"),
        pytest.param([(1, "invoke", 1, "a"), (2, "effect", 1, "a"), (3, "ok", 1, "a"),
                      (4, "ok", 1, "a")], "committed", "out of order", id="ended twice"),
        pytest.param([(1, "invoke", 1, "a"), (2, "effect", 1, "a"), (3, "ok", 1, "a")],
                     "doubled", "false alarm", id="there once"),
        pytest.param([(1, "invoke", 1, "a"), (2, "effect", 1, "a"), (3, "info", 1, "a")],
                     "conflict", "false alarm", id="no other program wrote"),
        pytest.param([(1, "invoke", 1, "a"), (2, "info", 1, "a")], "unknown", "left open",
                     id="never found out"),
        pytest.param([], "planned", "left open", id="never sent"),
    ],
)  # fmt: skip
def test_a_wrong_create_is_found(steps: HISTORY, verdict: str | None, kind: str) -> None:
    """Each by its own name."""
    verdicts = {} if verdict is None else {"a": verdict}

    assert kind in {each.kind for each in judge(creates(steps), CREATE, verdicts)}


ONCE: HISTORY = [(1, "invoke", 1, "a"), (2, "effect", 1, "a"), (3, "ok", 1, "a")]
TWICE: HISTORY = [
    *ONCE, (4, "invoke", 2, "b"), (5, "effect", 2, "b"), (6, "ok", 2, "b"),
]  # fmt: skip


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(TWICE, id="one after the other"),
        pytest.param([*TWICE, (7, "effect", 0, "X")], id="another program writes later"),
        pytest.param([(0.5, "effect", 0, "X"), *TWICE], id="another program wrote before"),
        pytest.param([(1, "invoke", 1, "a"), (2, "info", 1, "a"), (70, "shown", 0, "old"),
                      (71, "effect", 0, "X"), (72, "invoke", 2, "a"), (73, "effect", 2, "a"),
                      (74, "ok", 2, "a"), (75, "invoke", 3, "b"), (76, "effect", 3, "b")],
                     id="another program writes where no read shows it any more"),
        pytest.param([*TWICE, (7, "shown", 0, "A")], id="a read lags"),
        pytest.param([(1, "invoke", 1, "a"), (2, "info", 1, "a"), (3, "effect", 0, "X"),
                      (4, "effect", 1, "a"), (5, "invoke", 2, "b"), (6, "effect", 2, "b")],
                     id="an open request acts late"),
    ],
)  # fmt: skip
def test_right_updates_are_not_blamed(steps: HISTORY) -> None:
    """The window between a read and a write is no fault of the job."""
    assert [] == judge(updates(steps), UPDATES, {"a": "committed", "b": "committed"})


@pytest.mark.parametrize(
    ("steps", "kind"),
    [
        pytest.param([*ONCE, (4, "effect", 0, "X"), (5, "invoke", 2, "a"), (6, "effect", 2, "a")],
                     "stale", id="sent again over another program's value"),
        pytest.param([*TWICE, (7, "effect", 1, "a")], "stale", id="its first request came again"),
        pytest.param([(1, "invoke", 1, "a"), (2, "info", 1, "a"), (3, "effect", 0, "X"),
                      (70, "shown", 0, "X"), (72, "invoke", 2, "a"), (73, "effect", 2, "a")],
                     "stale", id="sent again over what a read showed"),
        pytest.param([(1, "invoke", 1, "a"), (2, "info", 1, "a"), (3, "invoke", 2, "b"),
                      (4, "effect", 2, "b"), (5, "ok", 2, "b"), (6, "effect", 1, "a")],
                     "reordered", id="the earlier one came after the later"),
        pytest.param([*TWICE, (60, "shown", 0, "A")], "misread", id="a read of long ago"),
        pytest.param([*TWICE, (7, "shown", 0, "Z")], "misread", id="a value that never was"),
        pytest.param(ONCE, "lost", id="the second was never carried out"),
    ],
)  # fmt: skip
def test_wrong_updates_are_found(steps: HISTORY, kind: str) -> None:
    """Each by its own name."""
    found = judge(updates(steps), UPDATES, {"a": "committed", "b": "committed"})

    assert kind in {each.kind for each in found}


def test_a_value_that_was_not_sent_is_found() -> None:
    """A body that changed on its way would show in no count."""
    history = [
        START,
        Event(1.0, "invoke", 1, ("a",)),
        Event(2.0, "effect", 1, ("a",), ((DUE, "B"),)),
        Event(3.0, "ok", 1, ("a",)),
    ]

    kinds = {each.kind for each in judge(history, UPDATES, {"a": "committed", "b": "committed"})}

    assert "altered" in kinds


@pytest.mark.parametrize("by", [1, 0])
def test_a_deletion_is_not_blamed(by: int) -> None:
    """What another program deleted is gone as well."""
    register = f"inv_1.{DELETED}"
    writes = {"a": Write(operation="delete", values=((register, "yes"),))}
    history = [
        Event(1.0, "invoke", 1, ("a",)),
        Event(2.0, "effect", by, ("a",) if by else (), ((register, "yes"),)),
        Event(3.0, "info", 1, ("a",)),
    ]

    assert [] == judge(history, writes, {"a": "committed"})
    assert ["lost"] == [each.kind for each in judge(history[::2], writes, {"a": "committed"})]


@pytest.mark.parametrize("field", [DELETED, LOCKED])
@pytest.mark.parametrize("verdict", ["rejected", "conflict"])
def test_another_program_may_close_an_invoice(field: str, verdict: str) -> None:
    """Then nothing has to be wrong with an update that is refused."""
    history = [
        START,
        Event(1.0, "effect", 0, (), ((f"inv_1.{field}", "yes"),)),
        Event(2.0, "invoke", 1, ("a",)),
        Event(3.0, "fail", 1, ("a",)),
    ]
    writes = {"a": UPDATES["a"]}

    assert [] == judge(history, writes, {"a": verdict})
    assert [] != judge([history[0], *history[2:]], writes, {"a": verdict})


def test_another_program_may_change_what_was_created() -> None:
    """The job then finds an invoice that is not as it was sent."""
    history = creates([(1, "invoke", 1, "a"), (2, "effect", 1, "a"), (3, "info", 1, "a")])
    changed = Event(4.0, "effect", 0, (), (("inv_2.due_at", "X"),))

    assert [] == judge([*history, changed], CREATE, {"a": "conflict"})


def test_a_batch_mate_of_a_bad_write_is_rightly_rejected() -> None:
    """A batch is refused as a whole."""
    writes = {**UPDATES, "b": Write(operation="update", values=((PAID, "B"),), bad=True)}
    history = [START, Event(1.0, "invoke", 1, ("a", "b")), Event(2.0, "fail", 1, ("a", "b"))]

    assert [] == judge(history, writes, {"a": "rejected", "b": "rejected"})
