"""What a provider said once, said again in each run.

To record from a provider instead of the sandbox, leave ``.over(...)`` out, give a token, and run
``pytest --billingual-record=once``.
"""

from __future__ import annotations

from billingual import Client
from billingual.testing import PlannedFaults, Tapes

from reminders import chase


def test_reminders_of_the_tape(recorded: Tapes, sandbox_transport: PlannedFaults) -> None:
    """The tape lies in ``tapes/test_recorded`` and holds no token."""
    with Client("exante", transport=recorded.over(sandbox_transport)) as invoices:
        texts = [each.text for each in chase(invoices, late_days=60)]

    assert texts
    assert all(" are due since 202" in each for each in texts)
