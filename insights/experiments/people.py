"""What an analysis reads: tables of exposures and outcomes, and the people that they are joined to."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np

from decisions.logged import Texts
from features.events import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class ExposureTable:
    """E rows: who met which variant, and when; rows of one unit are joined.

    ``units`` are what chance went by: persons, not sessions. A covariate's moment in ``measured_us`` is when it was
    known; without one it is taken to be known at the exposure. ``propensities`` are each variant's at the assignment,
    where they differed from person to person. Unknown covariates are NaN, unknown slices empty.
    """

    units: Texts
    variants: Texts
    at_us: IntArray | None = None
    covariates: Mapping[str, FloatArray] = field(default_factory=dict)
    measured_us: Mapping[str, IntArray] = field(default_factory=dict)
    slices: Mapping[str, Texts] = field(default_factory=dict)
    propensities: Mapping[str, FloatArray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.units)


@dataclass(frozen=True, slots=True)
class OutcomeTable:
    """O rows: what units did, and when. ``values`` are NaN where a row says nothing of a metric.

    ``ids`` tell rows apart that are otherwise equal; two of one id are one.
    """

    units: Texts
    values: Mapping[str, FloatArray]
    at_us: IntArray | None = None
    ids: Texts | None = None

    def __len__(self) -> int:
        return len(self.units)


@dataclass(frozen=True, slots=True)
class RowCounts:
    """What became of the rows: whatever was not used is counted here."""

    exposure_rows: int = 0
    repeated_exposures: int = 0
    """Further exposures of a unit to its own variant; the first counts."""
    unusable_exposures: int = 0
    """Without a unit, a variant, or a time where the others have one."""
    crossed: int = 0
    """Units that met a second variant; they stay in the one that they met first."""
    crossed_dropped: int = 0
    outcome_rows: int = 0
    duplicated_outcomes: int = 0
    equal_outcomes: int = 0
    """Rows equal to another one, without a time or id to tell whether they are one; all count."""
    untimed_outcomes: int = 0
    """Rows of a table without times: they are taken to come after the exposure."""
    unusable_outcomes: int = 0
    """Without a unit, or without a time where the others have one."""
    before_exposure: int = 0
    after_window: int = 0
    without_exposure: int = 0
    """Outcomes of units that were never exposed."""
    units_without_exposure: int = 0
    too_recent: int = 0
    """Units whose window had not passed when the data end; they are left out."""
    after_horizon: int = 0
    """Units exposed after a fixed horizon was reached; they are left out."""

    def to_json(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class People:
    """N units in the order of their exposure, each in one of V arms; the first is the control.

    ``sums`` are the sums of each outcome that count; ``hits`` whether there were any rows above zero is ``sums > 0``.
    """

    variants: tuple[str, ...]
    arm: IntArray
    """(N,) places in ``variants``."""
    exposed_us: IntArray | None
    sums: Mapping[str, FloatArray]
    covariates: Mapping[str, FloatArray] = field(default_factory=dict)
    slices: Mapping[str, Texts] = field(default_factory=dict)
    propensities: FloatArray | None = None
    """(N, V) the probability of each variant, where it differed from person to person."""
    counts: RowCounts = field(default_factory=RowCounts)
    ends_us: int | None = None
    """When the data end."""

    def __len__(self) -> int:
        return len(self.arm)

    @property
    def weights(self) -> FloatArray:
        """(N,) one over the probability of the own variant, scaled to a mean of 1; ones at equal odds."""
        if self.propensities is None:
            return np.ones(len(self))
        inverse = 1.0 / self.propensities[np.arange(len(self)), self.arm]
        scaled: FloatArray = inverse / inverse.mean()
        return scaled
