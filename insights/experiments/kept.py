"""Results of experiments as they were kept, read back."""

import math
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from insights.experiments.result import Analysis


def analysis_of(content: Mapping[str, Any]) -> Analysis:
    """Return the analysis that ``Analysis.to_json`` wrote.

    JSON has null for what is no finite number: the end of an interval is infinite then, on its side, and any other
    figure is not known (NaN).
    """
    return msgspec.convert(_filled(Analysis, content), Analysis)


def _filled(kind: Any, value: Any, name: str = "") -> Any:
    """Return a value of JSON with numbers where its type wants one and null stands."""
    if value is None:
        return _number(name) if kind is float else None
    parts = [part for part in get_args(kind) if part is not types.NoneType]
    if get_origin(kind) in (types.UnionType, Union):
        return _filled(parts[0], value, name)
    if isinstance(kind, type) and is_dataclass(kind) and isinstance(value, Mapping):
        hints = _hints(kind)
        known = {one.name for one in fields(kind)}
        return {key: _filled(hints[key], one, key) for key, one in value.items() if key in known}
    if isinstance(value, Mapping):
        return {key: _filled(parts[-1], one, key) for key, one in value.items()}
    return [_filled(parts[0], one) for one in value] if isinstance(value, list) else value


def _number(name: str) -> float:
    if name == "low" or name.endswith("_low"):
        return -math.inf
    return math.inf if name == "high" or name.endswith("_high") else math.nan


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)
