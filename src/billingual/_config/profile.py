"""Profiles: named sets of options in a TOML file.

::

    [profiles.prod]
    url = "kukkingu+aiohttp://api.example.com"   # or provider = "kukkingu" and base_url = "..."
    tenant = "tnt_pfh0haxfpzowht3oi213cqos"
    token_env = "KUKKINGU_TOKEN"                 # the variable that holds the token
    retry = "patient"

The file is the one that is named, or ``BILLINGUAL_CONFIG``, or ``billingual.toml`` in the current
folder, or ``billingual/profiles.toml`` in the user's folder for settings (which needs platformdirs,
part of the extra ``cli``). The first that exists is read, and no other.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from billingual._config.url import (
    ClientOptions,
    NamedOptions,
    from_address,
    mask_secrets,
    named,
    provider_of,
)
from billingual.errors import ConfigurationError, UnknownNameError

__all__ = ["from_file"]

_OPTIONS: Final = frozenset(
    {
        "allow_insecure", "base_url", "deadline", "limiter", "organization", "proxy", "reading",
        "retry",
        "tenant", "timeout", "transport",
    }
)  # fmt: skip
_OTHERS: Final = frozenset({"provider", "token", "token_env", "url"})


def from_file(
    name: str,
    given: ClientOptions,
    *,
    path: str | os.PathLike[str] | None = None,
    getenv: Callable[[str], str | None],
) -> NamedOptions:
    """Read the profile *name*.

    Raises:
        UnknownNameError: if the file has no such profile; the error lists those it has.
        ConfigurationError: if there is no file, it cannot be read, the profile holds what it must
            not, or a token stands in a file that others can read.
    """
    file = _file(path, getenv)
    profile = _profile(file, name)
    unknown = sorted(profile.keys() - _OPTIONS - _OTHERS)
    if unknown:
        raise ConfigurationError(
            f"the profile {name!r} in {file} has {unknown[0]!r}, which is no option; there are "
            f"{', '.join(sorted(_OPTIONS | _OTHERS))}."
        )
    found: dict[str, Any] = {key: value for key, value in profile.items() if key in _OPTIONS}
    token = _token(profile, name, file, getenv)
    if token is not None:
        found["token"] = token
    options = {**mask_secrets(cast(ClientOptions, found)), **given}
    url, provider = profile.get("url"), profile.get("provider")
    if isinstance(url, str) and provider is None:
        return from_address(url, cast(ClientOptions, options))
    if isinstance(provider, str) and url is None:
        return named(provider_of(provider), options)
    raise ConfigurationError(
        f"the profile {name!r} in {file} must name a provider: give it either url or provider, "
        "as text."
    )


def _file(path: str | os.PathLike[str] | None, getenv: Callable[[str], str | None]) -> Path:
    named = path or getenv("BILLINGUAL_CONFIG")
    if named:
        return Path(named)
    places = [Path("billingual.toml")]
    try:
        from platformdirs import user_config_path  # noqa: PLC0415 - only profiles need it

        places.append(user_config_path("billingual") / "profiles.toml")
    except ModuleNotFoundError:
        pass
    for each in places:
        if each.is_file():
            return each
    raise ConfigurationError(
        f"there is no file with profiles; write {' or '.join(map(str, places))}, or name one by "
        "BILLINGUAL_CONFIG or path=."
    )


def _profile(file: Path, name: str) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - only profiles need it

    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ConfigurationError(
            f"the file {file} cannot be read ({problem.strerror}); check its path and permissions."
        ) from None
    except ValueError:
        # What stands there may be a token, so the parser's message is not shown.
        raise ConfigurationError(f"the file {file} is no TOML in UTF-8; correct it.") from None
    profiles = document.get("profiles")
    if not isinstance(profiles, dict) or not all(isinstance(e, dict) for e in profiles.values()):
        raise ConfigurationError(f"the file {file} has no tables like [profiles.{name}].")
    if name not in profiles:
        raise UnknownNameError("profile", name, sorted(profiles))
    profile: dict[str, Any] = profiles[name]
    return profile


def _token(
    profile: dict[str, Any], name: str, file: Path, getenv: Callable[[str], str | None]
) -> str | None:
    variable, token = profile.get("token_env"), profile.get("token")
    if variable is not None:
        found = getenv(str(variable))
        if token is not None or not found:
            raise ConfigurationError(
                f"the profile {name!r} in {file} takes its token from the variable {variable}, "
                + ("and holds one besides; keep one." if token is not None else "which is not set.")
            )
        return found
    if token is None:
        return None
    if not isinstance(token, str):
        raise ConfigurationError(
            f"the token of the profile {name!r} in {file} is no text; write it in quotes."
        )
    if os.name == "posix" and stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise ConfigurationError(
            f"the file {file} holds a token and others can read it; run chmod 600 on it, or name "
            "the variable that holds the token with token_env."
        )
    return token
