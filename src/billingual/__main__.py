"""``python -m billingual``: the command line."""

from __future__ import annotations

from billingual.cli import main

if __name__ == "__main__":
    main()
