"""Profiles: named sets of options in a TOML file.

::

    [profiles.prod]
    url = "kukkingu+aiohttp://api.example.com"   # or provider = "kukkingu" and base_url = "..."
    tenant = "tnt_pfh0haxfpzowht3oi213cqos"
    token_env = "KUKKINGU_TOKEN"                 # the variable that holds the token
    retry = "patient"

The client reads the first of these files that exists, and no other: the one given as ``path=``, the
one named by ``BILLINGUAL_CONFIG``, ``billingual.toml`` in the current folder,
``billingual/profiles.toml`` in the user's folder for settings (which needs platformdirs, part of
the extra ``cli``).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs

from billingual._arguments import path_of
from billingual._config.url import (
    ClientOptions,
    NamedOptions,
    from_address,
    limiter_from,
    mask_secrets,
    named,
    provider_of,
)
from billingual.auth import Secret
from billingual.errors import ConfigurationError, UnknownNameError

if TYPE_CHECKING:
    import cattrs

__all__ = ["ProfileSummary", "from_file", "profiles_in"]


class _LimiterText(Secret):
    """A number, or text with what workers share; secret until it is known to hold no password."""


@attrs.frozen(kw_only=True)
class _Profile:
    """The options of a profile; a TOML file can hold no others."""

    url: str | None = None
    provider: str | None = None
    token: Secret | None = None
    token_env: str | None = None
    allow_insecure: bool | None = None
    base_url: str | None = None
    deadline: float | None = None
    limiter: _LimiterText | None = None
    organization: str | None = None
    proxy: Secret | None = None
    reading: str | None = None
    retry: str | None = None
    tenant: str | None = None
    timeout: float | None = None
    transport: str | None = None


@attrs.frozen(kw_only=True)
class ProfileSummary:
    """A profile as a list shows it.

    Attributes:
        name: its name.
        address: its url, or its provider and base URL.
        token: where its token comes from, in words; never the token.
    """

    name: str
    address: str
    token: str


def profiles_in(*, getenv: Callable[[str], str | None]) -> tuple[Path, list[ProfileSummary]]:
    """List the profiles of the file that :func:`from_file` reads, in its order.

    Raises:
        ConfigurationError: if no file is found, or it or one of its profiles cannot be read.
    """
    file = _find(None, getenv)
    summaries = []
    for name, table in _tables(file).items():
        profile = _structured(table, f"the profile {name!r} in {file}")
        # An address that holds a token is refused when it is used; it is not shown either.
        address = profile.url or " ".join(filter(None, (profile.provider, profile.base_url)))
        where = "in the file" if profile.token is not None else "none"
        if (variable := profile.token_env) is not None:
            where = variable if getenv(variable) else f"{variable}, which is not set"
        summaries.append(ProfileSummary(name=name, address=_shown(address), token=where))
    return file, summaries


def _shown(address: str) -> str:
    before, _, behind = address.rpartition("@")
    scheme = before.partition("://")[0] + "://" if "://" in before else ""
    return f"{scheme}***@{behind}" if before else address.partition("?")[0]


def from_file(
    name: str,
    given: ClientOptions,
    *,
    path: str | os.PathLike[str] | None = None,
    getenv: Callable[[str], str | None],
) -> NamedOptions:
    """Read the profile *name*; the options *given* win over it.

    Raises:
        UnknownNameError: if the file has no such profile; the error lists those it has.
        ConfigurationError: if no file is found, it cannot be read, an option is unknown or has the
            wrong type, or others can read a file that holds a token.
        MissingExtraError: if the extra ``redis`` is needed and not installed.
    """
    file = _find(path, getenv)
    where = f"the profile {name!r} in {file}"
    profile = _structured(_table(file, name), where)
    found = attrs.asdict(profile, recurse=False, filter=lambda _, value: value is not None)
    url, provider = found.pop("url", None), found.pop("provider", None)
    found.pop("token_env", None)
    token = _token(profile, where, file, getenv)
    if token is not None:
        found["token"] = token
    if (limiter := found.get("limiter")) is not None:
        found["limiter"] = limiter_from(limiter, "limiter", may_hold_password=False)
    options = {**mask_secrets(cast(ClientOptions, found)), **given}
    if url is not None and provider is None:
        return from_address(url, cast(ClientOptions, options))
    if provider is not None and url is None:
        return named(provider_of(provider), options)
    raise ConfigurationError(
        f"{where} must name a provider: give it either url or provider.", field="provider"
    )


def _find(path: str | os.PathLike[str] | None, getenv: Callable[[str], str | None]) -> Path:
    given = path or getenv("BILLINGUAL_CONFIG")
    if given:
        return path_of(given, "path")
    places = [Path("billingual.toml")]
    try:
        from platformdirs import user_config_path  # noqa: PLC0415 - an extra, and only used here

        places.append(user_config_path("billingual") / "profiles.toml")
    except ModuleNotFoundError:
        pass
    for each in places:
        if each.is_file():
            return each
    raise ConfigurationError(
        "there is no file with profiles",
        f"write {' or '.join(map(str, places))}, or name one with BILLINGUAL_CONFIG or path=",
        hint="name_profiles",
    )


def _table(file: Path, name: str) -> Mapping[str, object]:
    profiles = _tables(file)
    if name not in profiles:
        raise UnknownNameError("profile", name, sorted(profiles))
    return profiles[name]


def _tables(file: Path) -> Mapping[str, dict[str, Any]]:
    import tomllib  # noqa: PLC0415 - only profiles need it

    try:
        # Editors of Windows put a byte order mark first, which TOML does not know.
        document = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as problem:
        raise ConfigurationError(
            f"the file {file} cannot be read ({problem.strerror}); check its path and permissions."
        ) from None
    except ValueError:
        # The parser's message quotes the file, which may hold a token.
        raise ConfigurationError(f"the file {file} is not TOML in UTF-8; correct it.") from None
    profiles = document.get("profiles")
    if not isinstance(profiles, dict) or not all(isinstance(e, dict) for e in profiles.values()):
        raise ConfigurationError(f"the file {file} has no tables like [profiles.prod].")
    return profiles


def _structured(table: Mapping[str, object], where: str) -> _Profile:
    from cattrs import ClassValidationError, ForbiddenExtraKeysError  # noqa: PLC0415 - slow
    from cattrs.errors import AttributeValidationNote  # noqa: PLC0415 - as above

    try:
        return _converter().structure(table, _Profile)
    except ClassValidationError as invalid:
        problem = invalid.exceptions[0]
    # Outside the except block: a chained error would carry the table, and with it a token.
    if isinstance(problem, ForbiddenExtraKeysError):
        unknown = min(problem.extra_fields)
        known = sorted(each.name for each in attrs.fields(_Profile))
        raise ConfigurationError(
            f"{where} has {unknown!r}, which is not an option; there are {', '.join(known)}.",
            field=unknown,
            known=known,
        )
    notes = [e for e in problem.__notes__ if isinstance(e, AttributeValidationNote)]
    field = notes[0].name
    raise ConfigurationError(f"{where} has a wrong {field}: write {problem}.", field=field)


@cache
def _converter() -> cattrs.Converter:
    """Make a converter that refuses a value of another type; cattrs' own turns 5 into '5'."""
    import cattrs  # noqa: PLC0415 - slow to import, and only profiles need it

    converter = cattrs.Converter(forbid_extra_keys=True)
    for kind, types, words in (
        (str, (str,), "text in quotes"),
        (Secret, (str,), "text in quotes"),
        (bool, (bool,), "true or false, without quotes"),
        (float, (int, float), "a number, without quotes"),
        (_LimiterText, (int, float, str), "a number, or text like '10,workers=8'"),
    ):
        converter.register_structure_hook(kind, _strict(kind, types, words))
    return converter


def _strict(
    kind: Callable[[Any], object], types: tuple[type, ...], words: str
) -> Callable[[object, object], object]:
    def structure(value: object, _: object) -> object:
        # To Python, True is an int.
        if not isinstance(value, types) or (isinstance(value, bool) and kind is not bool):
            raise TypeError(words)
        return kind(str(value) if kind is _LimiterText else value)

    return structure


def _token(
    profile: _Profile, where: str, file: Path, getenv: Callable[[str], str | None]
) -> str | Secret | None:
    if (variable := profile.token_env) is not None:
        token = getenv(variable)
        if profile.token is not None or not token:
            raise ConfigurationError(
                f"{where} takes its token from the variable {variable}, "
                + ("and holds one besides; keep one." if profile.token else "which is not set."),
                field="token_env",
            )
        return token
    if (
        profile.token is not None
        and os.name == "posix"
        and stat.S_IMODE(file.stat().st_mode) & 0o077
    ):
        raise ConfigurationError(
            f"the file {file} holds a token and others can read it; run chmod 600 on it, or name "
            "the variable that holds the token with token_env.",
            field="token",
        )
    return profile.token
