"""What is known after a failure: waits end, and the evidence never claims what is not so."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable
from typing import Any, Final

from billingual.errors import (
    BillingualError,
    ConnectionLostError,
    NotConnectedError,
    TimedOutError,
    TransportError,
)
from billingual.testing.conformance.harness import (
    CANARY,
    Bench,
    described,
    echoed,
    request,
    transport_check,
)
from billingual.testing.conformance.report import checks_in, expect
from billingual.testing.conformance.server import Say, to_the_end, with_length
from billingual.wire import Timeouts, WireResponse

__all__ = ["EVIDENCE_CHECKS"]

_BIG: Final = bytes(16 * 2**20)
# A transport that waits for too long gets a response in the end, and that fails the check.
_LATE: Final = Say(with_length(b"late"), after=threading.Event(), patience_s=2.0)


def _nothing_sent(error: TransportError, what: str) -> None:
    expect(
        error.evidence.request_complete is False and not error.evidence.response_begun,
        expected=f"{what}: evidence that nothing was sent",
        seen=described(error),
    )


def _sent(error: TransportError, what: str) -> None:
    expect(
        error.evidence.connected is not False
        and error.evidence.request_complete is not False
        and not error.evidence.response_begun,
        expected=f"{what}: evidence that the request may be complete and no response began",
        seen=described(error),
    )


@transport_check
async def a_refused_connection_means_nothing_was_sent(bench: Bench) -> None:
    """Where no server listens, the error is NotConnectedError and its evidence says so."""
    bench.needs_network()
    asked = request(f"http://127.0.0.1:{bench.closed_port()}", method="POST", body=b"{}")
    error = await bench.failure(bench.transport(), asked, kind=NotConnectedError)

    _nothing_sent(error, "refused")
    expect(error.evidence.connected is not True, expected="no connection", seen=described(error))


@transport_check
async def an_unknown_host_means_nothing_was_sent(bench: Bench) -> None:
    """A name without an address is NotConnectedError, and its evidence says so."""
    bench.needs_network()
    asked = request("http://name.invalid", method="POST", body=b"{}")
    error = await bench.failure(bench.transport(), asked, kind=NotConnectedError)

    _nothing_sent(error, "unknown host")


@transport_check
async def silence_ends_with_the_read_timeout(bench: Bench) -> None:
    """A call to a server that does not respond ends with the read timeout."""
    for body in (None, b"{}"):
        server = bench.server(_LATE)
        bounds = bench.bounds(timeouts=Timeouts(read=0.05))
        asked = request(server.url, method="POST", body=body)
        error = await bench.failure(bench.transport(), asked, bounds, kind=TimedOutError)

        _sent(error, "silence")


@transport_check
async def silence_ends_with_the_deadline(bench: Bench) -> None:
    """The deadline cuts every timeout to what it leaves."""
    server = bench.server(Say(with_length(b"ok")), _LATE)
    transport = bench.transport(keepalive_s=60.0)
    await bench.response(transport, request(server.url))
    bounds = bench.bounds(deadline_s=0.2, timeouts=Timeouts.each(60))
    asked = request(server.url, method="POST")
    error = await bench.failure(transport, asked, bounds, kind=TimedOutError)

    _sent(error, "silence")


@transport_check
async def a_dripping_body_ends_with_the_deadline(bench: Bench) -> None:
    """A body that comes byte by byte, each in time, is given up at the deadline."""
    await _drips(bench, to_the_end(b""))


@transport_check
async def a_dripping_head_ends_with_the_deadline(bench: Bench) -> None:
    """A head that comes byte by byte, each in time, is given up at the deadline."""
    await _drips(bench, b"HTTP/1.1 200 OK\r\nX-Endless: ")


async def _drips(bench: Bench, start: bytes) -> None:
    server = bench.server(Say(with_length(b"ok")), Say(start, then="drip"))
    transport = bench.transport(keepalive_s=60.0)
    # Once connected, nothing but the drips takes time.
    await bench.response(transport, request(server.url))
    bounds = bench.bounds(deadline_s=0.5, timeouts=Timeouts.each(60))
    asked = request(server.url, method="POST")
    error = await bench.failure(transport, asked, bounds, kind=TimedOutError)

    # A transport that waits for the last drip may call that a timeout too.
    expect(not server.dripped_out, expected="an end before the last drip", seen="an end after it")
    expect(
        error.evidence.request_complete is not False,
        expected="evidence of a request that may be complete",
        seen=described(error),
    )


@transport_check
async def a_request_that_is_not_read_ends(bench: Bench) -> None:
    """A request to a server that reads nothing ends as TimedOutError, and counts as incomplete."""
    server = bench.server(reads="nothing")
    bounds = bench.bounds(deadline_s=0.5, timeouts=Timeouts(write=0.1))
    asked = request(server.url, method="POST", body=_BIG)
    error = await bench.failure(bench.transport(), asked, bounds, kind=TimedOutError)

    expect(
        error.evidence.request_complete is not True and not error.evidence.response_begun,
        expected="no claim that the request was complete or a response began",
        seen=described(error),
    )


@transport_check
async def a_connection_lost_before_the_response_is_reported_truly(bench: Bench) -> None:
    """Where the server had the whole request, the evidence never says that it was not sent."""
    for then in ("reset", "close"):
        for method, body in (("POST", b"{}"), ("GET", None), ("POST", bytes(200_000))):
            server = bench.server(Say(then=then))
            asked = request(server.url, method=method, body=body)
            error = await bench.failure(bench.transport(), asked, kind=ConnectionLostError)

            _sent(error, f"{method} and then {then}")


@transport_check
async def a_connection_lost_while_sending_is_reported_truly(bench: Bench) -> None:
    """Where the server left within a request, no response began, and the error is ours."""
    server = bench.server(Say(then="close"), reads="head")
    asked = request(server.url, method="POST", body=_BIG)
    error = await bench.failure(bench.transport(), asked, kind=ConnectionLostError)

    # An event loop may have taken every byte and lost them: "complete" is then the careful word.
    expect(
        error.evidence.connected is not False and not error.evidence.response_begun,
        expected="evidence of a connection and of no response",
        seen=described(error),
    )


@transport_check
async def a_request_is_sent_once(bench: Bench) -> None:
    """The transport never tries again by itself, not even a GET on a connection gone stale."""
    for method, body in (("GET", None), ("PUT", None), ("POST", None), ("POST", b"{}")):
        server = bench.server(
            Say(with_length(b"ok")), Say(then="close"), Say(with_length(b"again"))
        )
        transport = bench.transport()
        await bench.response(transport, request(server.url, "/first"))
        error = await bench.failure(
            transport,
            request(server.url, "/second", method=method, body=body),
            kind=ConnectionLostError,
        )

        _sent(error, f"{method} on a connection that the server closed")
        seen = [each.target for each in server.requests]
        expect(seen == ["/first", "/second"], expected=f"{method} /second sent once", seen=seen)


@transport_check
async def a_stale_connection_is_told_truly(bench: Bench) -> None:
    """After the server closed an idle connection, the evidence claims nothing that is not so."""
    for _ in range(3):
        server = bench.server(
            script=lambda heard: (
                Say(with_length(b"ok"), then="close") if heard.connection == 1 else echoed(heard)
            )
        )
        transport = bench.transport()
        await bench.response(transport, request(server.url))
        asked = request(server.url, "/second", method="POST", body=b"{}")
        met = await bench.either(transport, asked)
        seen = [each.target for each in server.requests].count("/second")

        if isinstance(met, WireResponse):
            expect(seen == 1, expected="one delivery for one response", seen=f"{seen} deliveries")
        elif isinstance(met, TransportError):
            expect(
                seen == 0 or met.evidence.request_complete is not False,
                expected="no claim that it was not sent: the server has it",
                seen=described(met),
            )


async def _failures(bench: Bench) -> dict[str, Callable[[], Any]]:
    secret = [("Authorization", f"Bearer {CANARY}"), ("X-Key", CANARY)]
    transport = bench.transport()
    short = Timeouts(read=0.05)

    def ask(url: str, **more: Any) -> Callable[[], Any]:
        asked = request(url, f"/x?key={CANARY}", headers=[*secret, *more.pop("headers", ())])
        return lambda: bench.either(transport, asked, bench.bounds(**more))

    garbage = Say(f"{CANARY} says hello\r\n\r\n".encode(), then="close")
    return {
        "refused": ask(f"http://127.0.0.1:{bench.closed_port()}"),
        "reset": ask(bench.server(Say(then="reset")).url),
        "closed": ask(bench.server(Say(then="close")).url),
        "garbage": ask(bench.server(garbage).url),
        "silence": ask(bench.server(Say(then="hang")).url, timeouts=short),
        "too large": ask(bench.server(Say(with_length(bytes(99)))).url, wire_bytes=9),
        "a bad header": ask("http://127.0.0.1:1", headers=[("X-A", f"{CANARY}\r\n")]),
        "a bad address": ask(f"http://user:{CANARY}@127.0.0.1:{bench.closed_port()}"),
    }


@transport_check
async def errors_show_no_credential(bench: Bench) -> None:
    """The text of an error and of its causes shows no header, query, user name or response."""
    bench.needs_network()
    for name, ask in (await _failures(bench)).items():
        error = await ask()

        expect(isinstance(error, BillingualError), expected=f"{name}: an error", seen=error)
        text = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
        expect(
            CANARY not in text,
            expected=f"{name}: an error without credentials",
            seen=text.replace(CANARY, "<<the credential>>")[-400:],
        )


@transport_check
async def logs_show_no_credential(bench: Bench) -> None:
    """Nothing that is logged, at whatever level, shows a header of the request."""
    server = bench.server(script=echoed)
    secret = [("Authorization", f"Bearer {CANARY}"), ("X-Key", CANARY)]
    asked = request(server.url, headers=secret)
    unmet = request(f"http://127.0.0.1:{bench.closed_port()}", headers=secret)
    transport = bench.transport()
    told: list[str] = []
    root, listener = logging.getLogger(), _Listener(told)
    level = root.level
    root.addHandler(listener)
    root.setLevel(logging.DEBUG)
    try:
        await bench.response(transport, asked)
        await bench.either(transport, unmet)
    finally:
        root.setLevel(level)
        root.removeHandler(listener)

    shown = [each.replace(CANARY, "<<the credential>>") for each in told if CANARY in each]
    expect(not shown, expected="no credential in a log", seen=shown)


class _Listener(logging.Handler):
    def __init__(self, told: list[str]) -> None:
        super().__init__()
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what would be written."""
        self._told.append(self.format(record))


EVIDENCE_CHECKS: Final = checks_in(globals())
