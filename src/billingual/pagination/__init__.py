"""Lists of more than one page: walked in order, prefetched, and without repeated rows."""

from __future__ import annotations

from billingual.pagination.checkpoint import Listing, Place
from billingual.pagination.pager import AsyncPager
from billingual.pagination.prefetch import MAX_PREFETCH
from billingual.pagination.scan import Scan, ScanReport
from billingual.pagination.skips import OnBadPage, OnBadRow, Skips

__all__ = [
    "MAX_PREFETCH",
    "AsyncPager",
    "Listing",
    "OnBadPage",
    "OnBadRow",
    "Place",
    "Scan",
    "ScanReport",
    "Skips",
]
