"""Compare a log with what the model was trained on: ``dropoff drift``."""

from dataclasses import asdict, dataclass
from pathlib import Path

from decisions.drift import LEAST_ROWS, Comparison, Kind, Thresholds, compare, not_compared
from decisions.risk import RiskModel
from decisions.snapshot import Snapshot
from features.log_files import LogError
from features.plan import compile_plan
from features.read_log import ReadSummary
from features.source import CANONICAL, Source
from features.staging import Progress
from journeys.journey import Journey
from training.evaluate import BEFORE_THE_FIRST_STAGE
from training.sample import read_sample
from training.snapshot import sampled_snapshot

_TOLD = 12


class NoSnapshot(LookupError):
    """The model carries no snapshot of its training; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Drift:
    """What a log came to beside the snapshot of a training; comparisons have what moved first."""

    model_version: str
    thresholds: Thresholds
    reference: Snapshot
    observed: Snapshot
    comparisons: list[Comparison]
    not_compared: dict[str, str]
    sampled_share: float

    @property
    def moved(self) -> list[Comparison]:
        """What exceeds its threshold, and chance."""
        return [one for one in self.comparisons if one.moved]

    @property
    def told(self) -> list[Comparison]:
        """What moved, each feature only where it moved most."""
        first = {(one.kind, one.name): one for one in reversed(self.moved)}
        return [one for one in self.moved if first[one.kind, one.name] is one]

    @property
    def unclear(self) -> list[Comparison]:
        """What looks moved, but no more than chance would move so few sessions."""
        return [one for one in self.comparisons if not one.moved and one.severity > 1]

    def describe(self) -> list[str]:
        """Return sentences: what moved, the most important first, and how much the log can tell at all."""
        log, trained = self.observed, self.reference
        lines = [
            f"Version {self.model_version} was trained on {trained.sessions:,} sessions of "
            f"{trained.span_days:.0f} days; compared with {log.sessions:,} sessions of {log.span_days:.0f} days, "
            f"{log.ends.sum():,} of them with an end that is known."
        ]
        if not self.comparisons:
            return [*lines, f"Too few sessions to compare anything: at least {LEAST_ROWS} independent ones are needed."]
        lines += [f"{place}. {one.text}{_measured(one)}." for place, one in enumerate(self.told[:_TOLD], start=1)]
        if len(self.told) > _TOLD:
            lines.append(f"And {len(self.told) - _TOLD} more; --json PATH writes all of them.")
        if not self.moved:
            lines.append(
                f"Nothing moved beyond a PSI of {self.thresholds.psi:g} or a difference of {self.thresholds.rate:.0%}."
            )
        if self.unclear:
            named = list(dict.fromkeys(f"{one.name} at {one.stage}" if one.stage else one.name for one in self.unclear))
            lines.append(
                f"{len(self.unclear)} of {len(self.comparisons):,} comparisons exceed the threshold, but no more than "
                f"chance could with so few sessions ({', '.join(named[:3])}); a longer log would tell."
            )
        return lines + [f"Not compared: {name}, since {reason}." for name, reason in self.not_compared.items()]

    def to_json(self) -> dict[str, object]:
        """Return what ``dropoff drift --json`` writes."""
        return {
            "model_version": self.model_version,
            "moved": bool(self.moved),
            "thresholds": asdict(self.thresholds),
            "training": _size(self.reference),
            "log": _size(self.observed) | {"sampled_share": self.sampled_share},
            "told": [one.text for one in self.told],
            "comparisons": [asdict(one) for one in self.comparisons],
            "not_compared": self.not_compared,
        }


def measure_drift(
    journey: Journey,
    path: Path,
    model: RiskModel,
    *,
    thresholds: Thresholds | None = None,
    source: Source = CANONICAL,
    quarantine: Path | None = None,
    seed: int = 7,
    progress: Progress = lambda _phase, _fraction: None,
) -> tuple[Drift, ReadSummary]:
    """Return how a log differs from the one that the model was trained on.

    Raises :class:`NoSnapshot`, and ``features.log_files.LogError`` for a log without a session to compare.
    """
    if model.snapshot is None:
        raise NoSnapshot(
            f"version {model.version} of {journey.name} was trained before snapshots were kept; train again"
        )
    plan = compile_plan(journey.table)
    log, sampled_share, summary = read_sample(
        journey, plan, path, seed=seed, source=source, quarantine=quarantine, progress=progress
    )
    progress("comparing", 0.0)
    observed, share = sampled_snapshot(
        journey, plan, log, model, log_end_us=summary.last_at_us, seed=seed, bins=model.snapshot.bins
    )
    if not observed.sessions:
        raise LogError(f"no session of {path} has an event before its end, so there is nothing to compare")
    limits = thresholds or Thresholds()
    stages = [BEFORE_THE_FIRST_STAGE, *(stage.name for stage in journey.stages)]
    comparisons = compare(journey.table, stages, model.snapshot, observed, limits)
    left_out = not_compared(journey.table, model.snapshot, observed)
    return (
        Drift(model.version, limits, model.snapshot, observed, comparisons, left_out, share * sampled_share),
        summary,
    )


def _measured(one: Comparison) -> str:
    return f" (PSI {one.size:.2f})" if one.kind in (Kind.FEATURE, Kind.EVENT) else ""


def _size(snapshot: Snapshot) -> dict[str, object]:
    return {
        "sessions": snapshot.sessions,
        "matured_sessions": int(snapshot.ends.sum()),
        "independent_rows": round(float(snapshot.effective[-1])),
        "days": round(snapshot.span_days, 2),
        "abandoned": int(snapshot.ends[0]),
        "goals": int(snapshot.ends[1]),
        "competing_ends": int(snapshot.ends[2]),
    }
