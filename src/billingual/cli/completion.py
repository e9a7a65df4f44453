"""The completion script of a shell: for ``billingual completion``."""

from __future__ import annotations

import re
import sys
from typing import Final, Literal, TypeAlias

__all__ = ["completion"]

_Shell: TypeAlias = Literal["bash", "zsh", "fish"]

# The script of cyclopts only defines a function, which zsh calls if the file has the same name, and
# no one would guess that. During a completion, zsh runs the whole file; otherwise it is sourced.
# Where the script knows no word, a name of a file is completed, as fish does by itself.
# Source: https://zsh.sourceforge.io/Doc/Release/Functions.html#Autoloading-Functions
_CALL_IN_ZSH: Final = """
{function}_or_files() {{
  {function} "$@"
  (( compstate[nmatches] )) || _files
}}
if (( ${{+compstate}} )); then
  {function}_or_files "$@"
else
  compdef {function}_or_files billingual
fi
"""


def completion(shell: _Shell, /) -> None:
    """Print what teaches your shell to complete these commands.

    - bash: `billingual completion bash > ~/.local/share/bash-completion/completions/billingual`
    - zsh: `billingual completion zsh > ~/.zfunc/_billingual`, with that folder in your `$fpath`
    - fish: `billingual completion fish > ~/.config/fish/completions/billingual.fish`

    Args:
        shell: bash, zsh or fish.
    """
    from billingual.cli.app import app  # noqa: PLC0415 - it holds this command

    script = app.generate_completion(shell=shell).rstrip("\n") + "\n"
    function = re.search(r"^(\w+)\(\)", script, re.MULTILINE)
    if shell == "zsh" and function:
        script += _CALL_IN_ZSH.format(function=function[1])
    elif shell == "bash":
        script = script.replace("complete -F ", "complete -o default -F ")
    sys.stdout.write(script)
