"""The same without await: no event loop, no thread."""

from __future__ import annotations

from billingual import Client, Filter


def main() -> None:
    """Print what is overdue for more than two months."""
    with Client("exante", transport="sandbox") as invoices:
        for row in invoices.list(
            Filter(status="OVERDUE", overdue_days="> 60"), sort="-overdue_days"
        ):
            print(row.number, row.overdue_days, "days", row.total)


main()
