"""The completion script of a shell: for ``billingual completion``."""

from __future__ import annotations

import sys
from typing import Literal, TypeAlias

__all__ = ["completion"]

_Shell: TypeAlias = Literal["bash", "zsh", "fish"]


def completion(shell: _Shell, /) -> None:
    """Print what teaches your shell to complete these commands.

    - bash: `billingual completion bash > ~/.local/share/bash-completion/completions/billingual`
    - zsh: `billingual completion zsh > ~/.zfunc/_billingual`, with that folder in your `$fpath`
    - fish: `billingual completion fish > ~/.config/fish/completions/billingual.fish`

    Args:
        shell: bash, zsh or fish.
    """
    from billingual.cli.app import app  # noqa: PLC0415 - it holds this command

    sys.stdout.write(app.generate_completion(shell=shell).rstrip("\n") + "\n")
