"""Closing a sandbox while other threads use it."""

from __future__ import annotations

import threading

from billingual.sandbox import create_app


def test_close_waits_for_the_request_that_uses_the_database() -> None:
    """SQLite crashes the process if a connection is closed while another thread uses it."""
    app = create_app()
    closing = threading.Thread(target=app.close)
    with app.sandbox_state.lock:
        closing.start()
        closing.join(0.05)
        waited = closing.is_alive()
    closing.join(120)

    assert (True, False) == (waited, closing.is_alive())
