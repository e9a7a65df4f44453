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

    here = app
    for count, word in enumerate(command, 1):
        if here.default_command is not None:
            break
        if word not in here:
            # It is not run: that raises the error, which names those that there are.
            app.meta(command[:count], exit_on_error=False, print_error=False)
            return
        here = here[word]
    describe(command)
    app.meta([*command, "--help"], exit_on_error=False, print_error=False, console=Console())
