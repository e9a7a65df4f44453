"""The profiles of the configuration file: for ``billingual profiles``."""

from __future__ import annotations

import os

from billingual._config.profile import profiles_in
from billingual.cli.messages import hint
from billingual.cli.output import Column, FormatOption, record_of, show_rows, write_json

__all__ = ["profiles"]


def profiles(*, output: FormatOption = "table") -> None:
    """Show the profiles that --profile takes, without their tokens.

    Args:
        output: table (the default), json or ndjson.
    """
    file, found = profiles_in(getenv=os.environ.get)
    if output == "table":
        show_rows(
            [
                Column("name", tuple(each.name for each in found)),
                Column("address", tuple(each.address for each in found), rank=1),
                Column("token", tuple(each.token for each in found), rank=2),
            ]
        )
        hint(f"From {file}. Use one with --profile NAME, or BILLINGUAL_PROFILE.")
        return
    records = [record_of(each) for each in found]
    if output == "json":
        write_json(records)
    else:
        for record in records:
            write_json(record, indent=None)
