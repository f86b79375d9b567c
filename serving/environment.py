"""Settings read out of environment variables, each by the type of its default."""

import math
import re
from collections.abc import Mapping
from dataclasses import Field
from enum import StrEnum
from pathlib import Path
from typing import Any

PREFIX = "DROPOFF_"
_FILE = "_FILE"
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


class ConfigurationError(ValueError):
    """An environment variable has a value that cannot be used; the text says which and what to write."""


def variable_of(setting: "Field[Any]") -> str:
    """Return the environment variable of a setting."""
    return PREFIX + setting.name.upper()


def file_variable_of(setting: "Field[Any]") -> str:
    """Return the variable that names a file with the setting's value, which secrets have."""
    return variable_of(setting) + _FILE


def read(setting: "Field[Any]", environment: Mapping[str, str]) -> Any:
    """Return what the environment says of a setting, None where it says nothing.

    The setting's metadata say what it may be: ``least`` and ``most`` for numbers, ``shortest`` for texts, and a pattern
    for ``each`` word of several. Raises :class:`ConfigurationError`.
    """
    text = _told(setting, environment)
    return _parse(setting, text) if text else None


def _told(setting: "Field[Any]", environment: Mapping[str, str]) -> str:
    """Return what the environment says of a setting, a secret's also through the file that ``..._FILE`` names."""
    variable, named = variable_of(setting), file_variable_of(setting)
    text, path = environment.get(variable, ""), environment.get(named, "")
    if not path:
        return text
    if setting.repr:
        raise ConfigurationError(f"{named} is none: only secrets are read from files; set {variable}")
    if text:
        raise ConfigurationError(f"{variable} and {named} are both set: keep one of them")
    try:
        # Editors end a file with a line end, which is no part of a secret.
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{named}={path!r} cannot be read: {error}") from error


def _parse(setting: "Field[Any]", text: str) -> Any:
    variable, default, allowed = variable_of(setting), setting.default, setting.metadata
    least, most = allowed.get("least", allowed.get("shortest", 0)), allowed.get("most", math.inf)
    match default:
        case bool():
            if text.lower() not in (*_TRUE, *_FALSE):
                raise ConfigurationError(f"{variable}={text!r} is neither true nor false: write 1 or 0")
            return text.lower() in _TRUE
        case StrEnum():
            known = type(default)
            if text not in tuple(known):
                raise ConfigurationError(f"{variable}={text!r} is unknown: write {' or '.join(known)}")
            return known(text)
        case int() | float():
            try:
                number = type(default)(text)
            except ValueError as error:
                kind = "a whole number" if isinstance(default, int) else "a number"
                raise ConfigurationError(f"{variable}={text!r} is not {kind}") from error
            if not least <= number <= most or number == math.inf:
                bounds = f"{least} or more" if most == math.inf else f"{least} to {most:g}"
                raise ConfigurationError(f"{variable}={text!r} is out of range: write {bounds}")
            return number
        case tuple():
            words = tuple(word.strip() for word in text.split(","))
            for word in words:
                if not re.fullmatch(allowed.get("each", ".*"), word):
                    raise ConfigurationError(
                        f"{variable}={text!r} is wrong at {word!r}: write words like {show(default)!r} or "
                        "'https://shop.example,https://www.shop.example'"
                    )
            return words
        case Path():
            return Path(text).expanduser()
        case _:
            if len(text) < least:
                # Its value is a secret.
                raise ConfigurationError(f"{variable} is too short: write {least} characters or more")
            return text


def show(default: Any) -> str:
    """Return a default as people write it."""
    if isinstance(default, tuple):
        return ",".join(default)
    return str(default).lower() if isinstance(default, bool) else str(default)
