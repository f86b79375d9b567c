"""Plans as people write them: a file of JSON or TOML, or options on the command line."""

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path

from decisions.experiments import ExperimentPlan, Guardrail, PlanError, Variant, from_json, read_treatment


def read_plan(path: Path) -> ExperimentPlan:
    """Return the plan in a .json or .toml file; raises :class:`PlanError`, or OSError where it cannot be read."""
    text = path.read_text(encoding="utf-8")
    try:
        content = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        raise PlanError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise PlanError(f"{path} is no experiment: write an object, or a table, with its fields")
    return from_json(content)


def read_variants(texts: Sequence[str]) -> tuple[Variant, ...]:
    """Return the variants written as ``NAME=TREATMENT`` or ``NAME=TREATMENT*WEIGHT``; raises :class:`PlanError`."""
    found = []
    for text in texts:
        name, equals, rest = text.partition("=")
        treatment, times, weight = rest.partition("*")
        if not equals or not treatment:
            raise PlanError(f"{text!r} is no variant: write NAME=TREATMENT, such as chat=live_chat")
        found.append(Variant(name, read_treatment(treatment), _number(weight, text) if times else 1.0))
    return tuple(found)


def read_guardrails(texts: Sequence[str]) -> tuple[Guardrail, ...]:
    """Return the guardrails written as ``METRIC:.05``, or ``METRIC:=.01`` for a margin in the metric's own unit."""
    found = []
    for text in texts:
        metric, colon, margin = text.partition(":")
        if not colon:
            raise PlanError(f"{text!r} is no guardrail: write METRIC:MARGIN, such as net_value:.05")
        found.append(Guardrail(metric, _number(margin.removeprefix("="), text), absolute=margin.startswith("=")))
    return tuple(found)


def read_cohorts(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the cohorts written as ``COLUMN=VALUE``, a column's values by ``|``; raises :class:`PlanError`."""
    found = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals or not values:
            raise PlanError(f"{text!r} is no cohort: write COLUMN=VALUE, such as device=mobile")
        found[name] = tuple(values.split("|"))
    return found


def _number(text: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise PlanError(f"{whole!r}: {text!r} is no number") from None
