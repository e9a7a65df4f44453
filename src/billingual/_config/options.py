"""The options of a client, each checked by one function when the client is made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

import attrs

from billingual.abc import Observer, Provider, RetryPolicy, is_plain_function
from billingual.auth import Secret, TokenSource, as_token
from billingual.errors import ConfigurationError, OutcomeUnknown, shown
from billingual.plugins import OBSERVERS, POLICIES
from billingual.retry.budget import RetryBudget
from billingual.retry.rate_limit import Limiter
from billingual.wire import HEADER_NAME, LONGEST_WAIT_S, Timeouts, plain_text

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = [
    "Settings",
    "app_of",
    "budget_of",
    "checked_observers",
    "context_of",
    "deadline_of",
    "headers_of",
    "hook_of",
    "limiter_of",
    "policy_of",
    "proxy_of",
    "reading_of",
    "timeouts_of",
]


def _plain(text: str | None) -> str | None:
    return plain_text(text)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Settings:
    """The options of one client. Siblings made by ``with_options`` differ only here."""

    provider: Provider
    token: TokenSource | None = attrs.field(converter=as_token)
    tenant: str | None = attrs.field(converter=_plain)
    organization: str | None = attrs.field(converter=_plain)
    base_url: str | None = attrs.field(converter=_plain)
    allow_insecure: bool
    retry: RetryPolicy
    timeout: float | Timeouts
    deadline: float | None
    limiter: Limiter
    budget: RetryBudget | None
    observers: tuple[Observer, ...]
    reading: str
    on_unclear: Callable[[OutcomeUnknown], object] | None = None
    headers: tuple[tuple[str, str | Secret], ...] = ()
    app: str = ""


def policy_of(retry: str | RetryPolicy) -> RetryPolicy:
    """Return the policy of that name, or the policy itself.

    Raises:
        UnknownNameError: if there is no such name.
        ConfigurationError: if the object has no method ``decide``.
    """
    policy = POLICIES.load(retry) if isinstance(retry, str) else retry
    if isinstance(retry, str) and not hasattr(policy, "decide") and callable(policy):
        policy = policy()
    if isinstance(policy, type) or not hasattr(policy, "decide"):
        raise ConfigurationError(
            f"retry={shown(retry)} is not a policy; give 'standard', 'patient', 'none', 'breaker' "
            "or a Retry with the numbers you want.",
            field="retry",
        )
    return cast(RetryPolicy, policy)


def limiter_of(limiter: object) -> Limiter:
    """Return the limiter, or make one of a rate.

    Raises:
        ConfigurationError: if it is neither, or the rate is not above zero.
    """
    if limiter is None:
        return Limiter()
    if isinstance(limiter, Limiter):
        return limiter
    if isinstance(limiter, (int, float)):
        return Limiter(limiter)
    raise ConfigurationError(
        f"limiter={shown(limiter)} is not a limiter; give a Limiter, or attempts per second as a "
        "number.",
        field="limiter",
    )


def budget_of(budget: object) -> RetryBudget | None:
    """Return the budget unchanged; None means that clients of one transport share one.

    Raises:
        ConfigurationError: if it is not a RetryBudget.
    """
    if budget is None or isinstance(budget, RetryBudget):
        return budget
    raise ConfigurationError(
        f"budget={shown(budget)} is not a budget; give a RetryBudget, or leave it out. "
        'retry="none" switches retries off.',
        field="budget",
    )


def hook_of(hook: object) -> Callable[[OutcomeUnknown], object] | None:
    """Return the hook unchanged.

    Raises:
        ConfigurationError: if it cannot be called, or is async and would never be awaited.
    """
    if hook is not None and not is_plain_function(hook):
        raise ConfigurationError(
            "on_unclear= takes a plain function of one OutcomeUnknown. An async function would "
            "never be awaited: let a plain one pass the error on.",
            field="on_unclear",
        )
    return cast("Callable[[OutcomeUnknown], object] | None", hook)


_OURS: Final = frozenset(
    {
        "accept", "accept-encoding", "authorization", "connection", "content-encoding",
        "content-length", "content-type", "cookie", "expect", "host", "keep-alive",
        "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
"""Header fields that the client, its dialect or its transport writes."""

_SECRET_WORDS: Final = frozenset(
    {
        "apikey", "auth", "authentication", "credential", "credentials", "jwt", "key", "passphrase",
        "password", "secret", "session", "sessionid", "sig", "signature", "token",
    }
)  # fmt: skip
"""Words in the name of a header field whose value is likely a secret, such as ``X-Api-Key``."""


def app_of(app: object) -> str:
    """Return a program's name, version and address as ``User-Agent`` has them.

    Raises:
        ConfigurationError: if it is not two or three texts, or a header cannot hold one of them.
    """
    if app is None:
        return ""
    given = tuple(map(plain_text, app)) if isinstance(app, (tuple, list)) else ()
    if len(given) not in {2, 3} or not all(isinstance(each, str) for each in given):
        raise ConfigurationError(
            "app= takes the name and version of your program, and its address if you like: "
            'app=("acme-billing", "1.2", "https://acme.example").',
            field="app",
        )
    name, version, *address = given
    for each in (name, version):
        # A product of RFC 9110 has the letters that a name of a header field has.
        if HEADER_NAME.fullmatch(each) is None:
            raise ConfigurationError(
                f"app= cannot hold {shown(each)}; write it without spaces, like 'acme-billing'.",
                field="app",
            )
    if address and (not address[0] or set(address[0]) & set(' ()\\"') or not address[0].isascii()
                    or not address[0].isprintable()):  # fmt: skip
        raise ConfigurationError(
            f"{shown(address[0])} is no address for app=; write one like 'https://acme.example'.",
            field="app",
        )
    return f"{name}/{version}" + "".join(f" ({each})" for each in address)


def headers_of(headers: object) -> tuple[tuple[str, str | Secret], ...]:
    """Return a program's own header fields, checked; those that look secret are hidden.

    Raises:
        ConfigurationError: if one is no header field, or one that the client writes itself.
    """
    if headers is None:
        return ()
    if not isinstance(headers, Mapping):
        raise ConfigurationError(
            f"headers= takes names with their values, not {type(headers).__name__}; write "
            'headers={"X-Team": "billing"}.',
            field="headers",
        )
    given = {plain_text(name): plain_text(value) for name, value in headers.items()}
    seen: set[str] = set()
    for name, value in given.items():
        if not isinstance(name, str) or HEADER_NAME.fullmatch(name) is None:
            raise ConfigurationError(
                f"{shown(name)} is no name of a header field; write one like 'X-Team'.",
                field="headers",
            )
        if name.lower() in _OURS:
            raise ConfigurationError(
                f"the client writes the header field {name} itself; leave it out. A credential is "
                "given as token=, and a provider that wants it elsewhere has Provider(auth=...).",
                field="headers",
            )
        if name.lower() in seen:
            raise ConfigurationError(
                f"the header field {name} is given twice, in other letters; give it once.",
                field="headers",
            )
        seen.add(name.lower())
        text = value.reveal() if isinstance(value, Secret) else value
        fits = isinstance(text, str) and text == text.strip() and text
        if not fits or not all(" " <= character <= "~" for character in text):
            raise ConfigurationError(
                f"the value of the header field {name} is not plain ASCII text without spaces at "
                "its ends; it is not shown here.",
                field="headers",
            )
    return tuple((name, _sealed(name, value)) for name, value in given.items())


def _sealed(name: str, value: str | Secret) -> str | Secret:
    looks_secret = not _SECRET_WORDS.isdisjoint(re.split("[^a-z]+", name.lower()))
    return Secret(value) if looks_secret and isinstance(value, str) else value


def reading_of(reading: object) -> str:
    """Return the mode unchanged.

    Raises:
        ConfigurationError: if it is neither of the two.
    """
    if not isinstance(reading, str) or reading not in {"tolerant", "strict"}:
        raise ConfigurationError(
            f"reading={shown(reading)} is not a way to read responses; give 'tolerant' (a value "
            "that does not fit is left out and named in .problems) or 'strict' (it fails the "
            "call).",
            field="reading",
        )
    return plain_text(reading)


def checked_observers(observers: object, log_level: str | None = None) -> tuple[Observer, ...]:
    """Return observers as a tuple.

    Args:
        observers: functions, or names.
        log_level: ``info`` or ``debug``, as ``BILLINGUAL_LOG`` says: write calls to stderr too.

    Raises:
        ConfigurationError: if they are not a list, or one of them cannot be called or is async
            (the client calls observers without awaiting them); or if there is no such level.
    """
    try:
        # A text would be taken for a list of its letters, and an array without a dimension for one.
        is_text = isinstance(observers, str)
        given = (None,) if is_text else tuple(cast(Iterable[object], observers))
    except TypeError:
        given = (None,)
    if given:
        # Import it now: an import that fails must not do so in the middle of a write.
        import billingual.events  # noqa: F401, PLC0415 - as said
    listed = tuple(OBSERVERS.load(each) if isinstance(each, str) else each for each in given)
    if not all(map(is_plain_function, listed)):
        raise ConfigurationError(
            "observers= takes a list of plain functions, each called with one event, or of their "
            "registered names, like [print]. An async function would never be awaited: let a plain "
            "one pass the event on.",
            field="observers",
        )
    if log_level:
        from billingual._config.log import observer_for  # noqa: PLC0415 - few programs log

        listed = (*listed, observer_for(log_level))
    return cast(tuple[Observer, ...], listed)


def context_of(tls: object) -> SSLContext | None:
    """Return the TLS context for *tls*; None means the default one.

    Raises:
        ConfigurationError: if it is another type, or a file cannot be used. ``False`` does not
            switch certificate checks off.
    """
    if tls is None:
        return tls
    from ssl import SSLContext  # noqa: PLC0415 - slow, and most clients give none

    from billingual.transports.tls import Tls  # noqa: PLC0415 - as above

    if isinstance(tls, SSLContext):
        return tls
    if isinstance(tls, (str, PathLike)):
        tls = Tls(ca_file=tls)
    if not isinstance(tls, Tls):
        raise ConfigurationError(
            "tls= takes an ssl.SSLContext, the path of a file with authorities to trust, or "
            "Tls(cert_file=..., key_file=...). Leave it out for the default one.",
            field="tls",
        )
    return tls.context()


def proxy_of(proxy: Secret | None) -> Secret | None:
    """Return a proxy's address unchanged; which kinds of proxies there are is for the transport.

    Raises:
        ConfigurationError: if it is no URL with a host.
    """
    if proxy is None or _is_address(proxy):
        return proxy
    raise ConfigurationError(
        "the proxy is no URL with a host; give one like 'http://user:password@proxy.example:3128', "
        "with %-escapes in the password, or leave it out for none. It is not shown here.",
        field="proxy",
    )


def _is_address(proxy: Secret) -> bool:
    # It raises nothing, so that no traceback shows the password.
    text = proxy.reveal()
    if not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        return bool(parts.scheme and parts.hostname) and parts.port != 0
    except ValueError:
        return False


def timeouts_of(timeout: float | Timeouts) -> Timeouts:
    """Return the timeouts, or make them of one number for each phase.

    Raises:
        ConfigurationError: if one is not above zero, or infinite.
    """
    if isinstance(timeout, Timeouts):
        phases = ("connect", "write", "read", "pool")
        return Timeouts(
            **{phase: _positive(getattr(timeout, phase), f"timeout.{phase}") for phase in phases}
        )
    return Timeouts.each(_positive(timeout, "timeout"))


def deadline_of(deadline: float | None, policy: RetryPolicy) -> float:
    """Return the seconds for one operation: the client's, or else its policy's.

    Raises:
        ConfigurationError: if they are not above zero, or infinite.
    """
    seconds = getattr(policy, "deadline_s", 60.0) if deadline is None else deadline
    return _positive(seconds, "deadline")


def _positive(seconds: float, field: str) -> float:
    usable = not isinstance(seconds, bool) and isinstance(seconds, (int, float))
    if not usable or not 0 < seconds < float("inf"):
        raise ConfigurationError(
            f"{field}={shown(seconds)} is not a waiting time; give a number of seconds above zero "
            "(no wait is endless).",
            field=field,
        )
    return float(min(seconds, LONGEST_WAIT_S))
