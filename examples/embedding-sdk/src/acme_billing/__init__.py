"""Bills of Acme, for Python; see :class:`AcmeBilling` and :class:`AsyncAcmeBilling`."""

from acme_billing.bills import Bill
from acme_billing.client import AcmeBilling, AsyncAcmeBilling
from acme_billing.errors import (
    AcmeError,
    AcmeUnavailableError,
    BillInvalidError,
    BillLockedError,
    BillNotFoundError,
    BillRefusedError,
    BillUncertainError,
)

__all__ = [
    "AcmeBilling",
    "AcmeError",
    "AcmeUnavailableError",
    "AsyncAcmeBilling",
    "Bill",
    "BillInvalidError",
    "BillLockedError",
    "BillNotFoundError",
    "BillRefusedError",
    "BillUncertainError",
]
