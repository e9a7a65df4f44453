"""Whom connections trust: TLS settings as files, and one default context for the whole process.

Making a context reads every root certificate, which costs as much as a hundred calls. Every
transport uses the same one, so changing the transport never changes whom a program trusts.
"""

from __future__ import annotations

import errno
import functools
import os
from os import PathLike
from typing import TYPE_CHECKING

import attrs

from billingual.auth import Secret, as_secret
from billingual.errors import ConfigurationError

if TYPE_CHECKING:
    import ssl

__all__ = ["Tls", "default_context", "no_trust"]


@attrs.frozen(kw_only=True)
class Tls:
    """Files to make a TLS context from; hosts and certificates are always checked.

    Attributes:
        ca_file: PEM file of the authorities to trust. Default: the file or directory named by
            ``SSL_CERT_FILE`` or ``SSL_CERT_DIR``, as OpenSSL itself does, else those of certifi.
        cert_file: PEM file of your client certificate, for servers that ask for one.
        key_file: PEM file of its key, if the key is not in *cert_file*.
        key_password: of the key, if it has one; never shown.
    """

    ca_file: str | PathLike[str] | None = None
    cert_file: str | PathLike[str] | None = None
    key_file: str | PathLike[str] | None = None
    key_password: Secret | None = attrs.field(default=None, converter=as_secret)

    def context(self) -> ssl.SSLContext:
        """Read the files and make the context.

        Raises:
            ConfigurationError: if a file cannot be read, or contains no certificate or key.
        """
        context = self._with_authorities()
        if self.cert_file is None:
            if self.key_file is not None or self.key_password is not None:
                raise ConfigurationError("Tls has a key but no certificate; give cert_file=.")
            return context
        password = None if self.key_password is None else self.key_password.reveal
        try:
            # Without a password function, OpenSSL asks for a missing password on the terminal and
            # blocks the program there. With an empty one it fails.
            context.load_cert_chain(self.cert_file, self.key_file, password or _no_password)
        except (OSError, ValueError, TypeError) as problem:
            failure = _unusable("the certificate or its key", self.cert_file, problem)
        else:
            return context
        raise failure

    def _with_authorities(self) -> ssl.SSLContext:
        import ssl  # noqa: PLC0415 - plain http of h11 never needs it

        file, directory = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
        if self.ca_file is None and not file and directory:
            return ssl.create_default_context(capath=directory)
        named = file or None if self.ca_file is None else self.ca_file
        if named is None:
            import certifi  # noqa: PLC0415 - plain http does not need it

            named = certifi.where()
        try:
            if not named:
                # For Python, an empty file name means all authorities of the system: a mistyped
                # variable would widen the trust.
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            return ssl.create_default_context(cafile=named)
        except (OSError, ValueError, TypeError) as problem:
            failure = _unusable("the authorities to trust", named, problem)
        raise failure


@functools.cache
def default_context() -> ssl.SSLContext:
    """Return the shared context: hosts and certificates checked."""
    return Tls().context()


@functools.cache
def no_trust() -> ssl.SSLContext:
    """Return a context without authorities, for connections without TLS: cheap and safe."""
    import ssl  # noqa: PLC0415 - as above

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _no_password() -> str:
    return ""


def _unusable(
    what: str, file: str | PathLike[str], problem: OSError | ValueError | TypeError
) -> ConfigurationError:
    why = getattr(problem, "strerror", None) or type(problem).__name__
    opened = getattr(problem, "filename", None)
    if opened is not None and str(opened) != str(file):
        # Python opens it for every context, and OpenSSL names none of the files that it reads.
        return ConfigurationError(
            f"the keys of TLS connections cannot be logged to {str(opened)!r} ({why}); unset "
            "SSLKEYLOGFILE, or let it name a file that can be written."
        )
    return ConfigurationError(
        f"{what} cannot be read from {str(file)!r} ({why}); give a file in PEM format."
    )
