"""The four dialects: how each API family writes the invoice protocol as HTTP.

``exante`` and ``bulk`` are two halves of one provider, ``tenant`` and ``v1`` stand alone. Each is
pure: it makes requests and reads answers, and something else carries them. Import a dialect from
its own module; naming one here imports none.
"""

from __future__ import annotations

__all__: list[str] = []
