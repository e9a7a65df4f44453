"""``billingual help COMMAND``: the same as ``billingual COMMAND --help``."""

from __future__ import annotations

from rich.console import Console

__all__ = ["show_help"]


def show_help(*command: str) -> None:
    """Show the help of a command.

    Args:
        command: The words of the command, such as jobs show; nothing shows all commands.
    """
    from billingual.cli.app import app, describe  # noqa: PLC0415 - it holds this command

    describe(command)
    app.meta([*command, "--help"], exit_on_error=False, print_error=False, console=Console())
