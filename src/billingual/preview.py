"""The exact request that an operation would send, and the command of curl that sends it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Final

import attrs

from billingual.auth import AuthScheme, Basic
from billingual.wire import WireRequest

__all__ = ["PreviewedRequest"]

_TOKEN: Final = "$BILLINGUAL_TOKEN"  # noqa: S105 - the name of a variable
_VARIABLE: Final = re.compile(r"(\$BILLINGUAL_[A-Z0-9_]+)")
# In double quotes a shell leaves these as they are; it would act on ` \ " ! and $.
_PLAIN: Final = re.compile(r"[\w :;,=+./@%-]*", re.ASCII)


@attrs.frozen(kw_only=True, eq=False)
class PreviewedRequest(WireRequest):
    """A request as ``client.preview`` shows it: absolute, unsigned and never sent.

    Attributes:
        scheme: how the provider wants the token; None where the client has none.
        secret_headers: the names of the program's own header fields that are secret.
    """

    scheme: AuthScheme | None = attrs.field(default=None, repr=False)
    secret_headers: tuple[str, ...] = attrs.field(default=(), repr=False)

    def curl(self) -> str:
        """Return the command of curl that sends this request, to paste into a POSIX shell.

        It holds no credential: it reads the token from the variable ``BILLINGUAL_TOKEN``, and a
        secret header field such as ``X-Api-Key`` from ``BILLINGUAL_X_API_KEY``. ``tls=`` and
        ``proxy=`` of the client are not in it. A write is carried out each time it is run.
        """
        command = " \\\n  ".join(["curl", *self._arguments()])
        if self._text() is not None:
            return command
        # No argument of a command can hold these bytes; printf of every shell can write them.
        octal = "".join(f"\\{each:03o}" for each in self.body or b"")
        return f"printf '{octal}' | {command}"

    def _arguments(self) -> Iterator[str]:
        if self.method != "GET":
            yield f"--request {self.method}"
        if set("[]{}") & set(self.url):
            yield "--globoff"  # curl takes brackets for a list of addresses.
        if "/." in self.url or "%2e" in self.url.lower():
            yield "--path-as-is"  # curl would resolve dots, which no other transport does.
        yield shlex.quote(self.url)
        yield from self._credentials()
        for name, value in self.headers:
            if name.lower() == "accept-encoding":
                yield "--compressed"  # With the bare header, curl would print what is compressed.
            else:
                yield f"--header {shlex.quote(f'{name}: {value}')}"
        yield from self._body()

    def _credentials(self) -> Iterator[str]:
        if isinstance(self.scheme, Basic):
            yield f"--user {_quoted(f'{self.scheme.username}:{_TOKEN}')}"
        elif self.scheme is not None:
            for name, value in self.scheme.sign(self, _TOKEN):
                # What a scheme computes of the token cannot be computed without it.
                shown = value if _TOKEN in value else _variable(name)
                yield f"--header {_quoted(f'{name}: {shown}')}"
        for name in self.secret_headers:
            yield f"--header {_quoted(f'{name}: {_variable(name)}')}"

    def _body(self) -> Iterator[str]:
        body = self.body
        if body is None and self.method in {"GET", "HEAD", "DELETE"}:
            return
        if "content-type" not in self.headers:
            yield "--header Content-Type:"  # curl would add the one of a form.
        text = self._text()
        # --data-binary would take a body that begins with @ for the name of a file.
        yield "--data-binary @-" if text is None else f"--data-raw {shlex.quote(text)}"

    def _text(self) -> str | None:
        """Return the body if an argument of a command can hold it."""
        try:
            text = (self.body or b"").decode()
        except UnicodeDecodeError:
            return None
        return None if "\0" in text else text


def _variable(name: str) -> str:
    return f"$BILLINGUAL_{re.sub(r'[^A-Z0-9]', '_', name.upper())}"


def _quoted(text: str) -> str:
    """Quote a text for a shell, but for the variables in it."""
    parts = _VARIABLE.split(text)
    if all(_PLAIN.fullmatch(each) for each in parts[::2]):
        return f'"{text}"'
    return "".join(
        f'"{each}"' if index % 2 else shlex.quote(each) for index, each in enumerate(parts) if each
    )
