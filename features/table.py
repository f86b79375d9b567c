"""Features and stages as a journey declares them, and the table that holds a journey's own."""

import hashlib
import math
import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np

from features.events import FloatArray, IntArray
from features.friction import Friction
from features.phrase import say
from features.scan import (
    Clock,
    ClockKind,
    DeclarationError,
    EventFilter,
    Expression,
    On,
    Scan,
    ValueKind,
    _filter,
    scans,
)

CONTEXT_COLUMNS = ("channel", "device", "source", "campaign")
"""Log columns, besides the properties, that ``key`` and ``category`` can read."""

TREATMENT_PREFIX = "intervention_"
"""How the names of events begin that record what was shown to people, not what they did; no feature hears them."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One number about a session at a moment: what it is, what it gives evidence of, and how to say it.

    ``phrase`` is a format string with one number, for example ``"payment failed {:times}"`` (``features.phrase`` lists
    the formats); a category's phrase has none. ``less_is_worse`` turns the evidence round: a low rating, few ways to
    pay. Raises :class:`DeclarationError` at once, naming the feature, when anything is off.
    """

    name: str
    expression: Expression
    friction: Friction
    phrase: str
    less_is_worse: bool = False

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or self.name != self.name.lower():
            raise DeclarationError(f"feature {self.name!r}: write the name as a lower-case identifier with its unit")
        if not isinstance(self.expression, Expression):
            raise DeclarationError(
                f"feature {self.name!r}: {self.expression!r} is no scan: write for example count('event_name')"
            )
        if not isinstance(self.friction, Friction):
            raise DeclarationError(
                f"feature {self.name!r}: {self.friction!r} is no friction: "
                "write Friction.FORM, or Friction.NONE for context"
            )
        self._check_phrase()

    def _check_phrase(self) -> None:
        try:
            fields = [name for _, name, _, _ in string.Formatter().parse(self.phrase) if name is not None]
            text = say(self.phrase, 1.0)
        except (ValueError, LookupError, AttributeError, TypeError) as error:
            raise DeclarationError(
                f"feature {self.name!r}: the phrase {self.phrase!r} does not format a number ({error}): "
                "write for example '{:.0f} form errors'"
            ) from error
        if not text.strip() or len(fields) != (0 if self.is_category else 1):
            wanted = "words without a number, for example 'device'" if self.is_category else "words with one number"
            raise DeclarationError(f"feature {self.name!r}: the phrase {self.phrase!r} should be {wanted}")

    @property
    def is_category(self) -> bool:
        """Whether the value is an identity that a vocabulary numbers, not a quantity."""
        match self.expression:
            case Scan(value=value) as scan:
                return value.kind is ValueKind.KEY and scan.kind.name in ("LAST", "FIRST")
            case Clock(kind=kind):
                return kind is not ClockKind.STAGE
            case _:
                return False

    def say(self, value: float) -> str:
        """Return the phrase with its number; ``value`` must not be NaN."""
        return say(self.phrase, value)


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of the journey, reached by the first event that ``enters`` lets through.

    A session's stage is the furthest one it has reached: walking back does not undo it.
    """

    name: str
    enters: On
    description: str = ""
    owner: str = ""

    @property
    def filter(self) -> EventFilter:
        """What enters the stage, as a filter on event names."""
        return _filter(self.enters)


@dataclass(frozen=True)
class FeatureTable:
    """All that the kernel needs of a journey: event names, stages, features and the time zone of its clocks.

    Events named ``intervention_*`` record what was shown to people: no feature and no stage may listen to them.
    """

    events: tuple[str, ...]
    stages: tuple[Stage, ...]
    features: tuple[Feature, ...]
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        _require_unique("event", self.events)
        _require_unique("stage", [stage.name for stage in self.stages])
        _require_unique("feature", [feature.name for feature in self.features])
        if not self.features:
            raise DeclarationError("a feature table needs at least one feature")
        if not self.stages:
            raise DeclarationError("a journey needs at least one stage: Stage('browse', enters='page_view')")
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError) as error:
            raise DeclarationError(
                f"time zone {self.timezone!r} is unknown: write for example 'Europe/Paris'"
            ) from error
        for stage in self.stages:
            entered = stage.filter
            if entered.bounds or entered.near or entered.starts_session or not entered.names:
                raise DeclarationError(f"stage {stage.name!r}: enters takes event names: enters=on('a', 'b')")
            self._require_known(f"stage {stage.name!r}", entered.names)
            _refuse_treatments(f"stage {stage.name!r}", entered.names)
        for feature in self.features:
            for scan in scans(feature.expression):
                self._require_known(f"feature {feature.name!r}", names_heard(scan))
                _refuse_treatments(f"feature {feature.name!r}", names_heard(scan))

    def _require_known(self, where: str, names: Sequence[str]) -> None:
        unknown = [name for name in names if name not in self.events]
        if unknown:
            raise DeclarationError(
                f"{where} listens to {unknown[0]!r}, which the journey's events do not list; "
                f"did you mean one of {', '.join(nearest(unknown[0], self.events))}?"
            )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Feature names in column order."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def frictions(self) -> tuple[Friction, ...]:
        """The addressable frictions that the features give evidence of, in order of first use."""
        used = dict.fromkeys(feature.friction for feature in self.features)
        return tuple(friction for friction in used if friction.addressable)

    @cached_property
    def belonging(self) -> FloatArray:
        """1 where a feature gives evidence of one of :attr:`frictions`, else 0, (F, K)."""
        belongs = [[feature.friction == friction for friction in self.frictions] for feature in self.features]
        return np.array(belongs, np.float64).reshape(len(self.features), len(self.frictions))

    @cached_property
    def directions(self) -> FloatArray:
        """-1 for features of which less is worse, else 1, (F,)."""
        return np.array([-1.0 if feature.less_is_worse else 1.0 for feature in self.features])

    @cached_property
    def traces(self) -> IntArray:
        """The columns (V,) that can speak for one of :attr:`frictions`: quantities, not categories."""
        places = [p for p, one in enumerate(self.features) if one.friction.addressable and not one.is_category]
        return np.array(places, np.int64)

    @property
    def fingerprints(self) -> dict[str, str]:
        """A digest per feature of all that decides its value; equal digests mean equal columns."""
        common = "|".join(f"{stage.name}:{sorted(stage.filter.names)}" for stage in self.stages) + self.timezone
        return {feature.name: _digest(f"{feature.name}={feature.expression!r};{common}") for feature in self.features}

    @property
    def fingerprint(self) -> str:
        """A digest of the whole table, in column order."""
        return _digest("\n".join(f"{name}:{digest}" for name, digest in self.fingerprints.items()))


def nearest(name: str, candidates: Sequence[str], count: int = 3) -> list[str]:
    """Return the candidates that are spelt most like ``name``."""
    import difflib

    return difflib.get_close_matches(name, candidates, n=count, cutoff=0.0)


def is_missing(value: float) -> bool:
    """Whether a feature has not happened yet."""
    return math.isnan(value)


def names_heard(scan: Scan) -> tuple[str, ...]:
    """Return the event names that a scan depends on, those of ``within`` and ``among`` included; none for any event."""
    near = scan.on.near[1] if scan.on.near else ()
    among = scan.among.names if scan.among else ()
    return (*scan.on.names, *near, *among)


def _require_unique(what: str, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DeclarationError(f"{what} {name!r} is declared twice: rename or remove one")
        seen.add(name)


def _refuse_treatments(where: str, names: Sequence[str]) -> None:
    for name in names:
        if name.startswith(TREATMENT_PREFIX):
            raise DeclarationError(
                f"{where} listens to {name!r}, which records what was shown, not what people did; "
                "remove it, or name another event"
            )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
