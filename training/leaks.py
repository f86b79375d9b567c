"""The leak guard: events and features that give the end away, so that what looks like foresight is not hindsight.

``docs/training.md`` says what is tested and from where on a training is refused.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass

import numpy as np

from features.build import build
from features.events import EncodedLog, FloatArray
from features.plan import Plan
from features.scan import scans
from features.table import TREATMENT_PREFIX, Feature, names_heard
from journeys.ends import SessionEnds
from journeys.journey import Journey
from training.cutoffs import after_every_event
from training.giveaways import Purity, Separation, Walks, as_rates, purity, separation
from training.split import BoolArray

MAX_ROWS = 80_000
"""More rows are sampled, by whole sessions."""
MIN_SESSIONS = 150
"""What occurs in fewer sessions cannot be told from chance by these bounds."""
REFUSED_EXCEPTIONS, WARNED_EXCEPTIONS = 0.02, 0.03
"""Of the sessions in which it occurs, at most this share may end otherwise, by its upper bound ..."""
REFUSED_RATIO, WARNED_RATIO = 0.1, 0.15
"""... and at most this part of what is expected at the same place."""
REFUSED_AUC, WARNED_AUC = 0.95, 0.9
"""An AUC of one feature whose lower bound reaches this."""
MAX_VALUES = 30
"""So many of a category's most frequent values are looked at one by one."""


class LeakFound(ValueError):
    """Something gives the end away; the text says what, the evidence, and the remedy."""


@dataclass(frozen=True, slots=True)
class Leak:
    """An event or feature that gives the end away (``refused``), or seems to.

    ``heard_by`` are the features that listen to a leaking event.
    """

    kind: str
    name: str
    refused: bool
    evidence: str
    remedy: str
    figures: dict[str, object]
    heard_by: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return the leak in a sentence without its full stop."""
        verb = "gives the end away" if self.refused else "may give the end away"
        return f"the {self.kind} {self.name!r} {verb}: {self.evidence}; {self.remedy}"


def find_leaks(
    journey: Journey, plan: Plan, log: EncodedLog, ends: SessionEnds, sessions: BoolArray, *, seed: int
) -> tuple[Leak, ...]:
    """Return what gives away how the chosen sessions (S,) end, of what comes before the end; refused ones first."""
    chosen = sessions & ~np.isnan(ends.outcome) & (ends.usable > 0)
    total = int(ends.usable[chosen].sum())
    if total > MAX_ROWS:
        chosen &= np.random.default_rng(seed).random(log.session_count) < MAX_ROWS / total
    if not 0 < ends.outcome[chosen].sum() < chosen.sum():
        return ()
    cutoffs = after_every_event(log, np.where(chosen, ends.usable, 0))
    rows = build(plan, log, cutoffs)
    stage = rows[:, plan.feature_names.index("stage_index")]
    walks = Walks(
        np.unique(cutoffs.session, return_inverse=True)[1].astype(np.int64),
        cutoffs.after,
        np.where(np.isnan(stage), 0, np.nan_to_num(stage) + 1).astype(np.int64),
        ends.outcome[cutoffs.session],
    )
    codes = log.codes[log.starts[cutoffs.session] + cutoffs.after - 1]
    events = [
        leak
        for name in journey.events
        if name not in journey.ends.all_names and not name.startswith(TREATMENT_PREFIX)
        for leak in _by_purity("event", name, journey, purity(walks, codes == plan.codes[name]), "it occurred in")
    ]
    # What a feature knows by a leaking event is the event's leak, not one of its own.
    kept = walks.until(np.isin(codes, [plan.codes[leak.name] for leak in events]))
    walks, rows = walks.take(kept), rows[kept]
    features: list[Leak] = []
    for column, feature in enumerate(journey.features):
        features += _worst(_of_feature(journey, feature, walks, rows[:, column]))
    return tuple(sorted((*events, *features), key=lambda leak: not leak.refused))


def refuse_leaks(journey: Journey, leaks: Iterable[Leak], allowed: Collection[str]) -> None:
    """Raise :class:`LeakFound` for what gives the end away and is not allowed, and for a name that is none."""
    known = (*journey.events, *(feature.name for feature in journey.features))
    for name in allowed:
        if name not in known:
            raise LeakFound(f"--allow-leak {name}: {journey.name} has no event and no feature of that name")
    found = [leak for leak in leaks if leak.refused and leak.name not in allowed]
    if found:
        said = "; ".join(leak.describe() for leak in found)
        options = " ".join(f"--allow-leak {leak.name}" for leak in found)
        raise LeakFound(f"{said}. To train all the same: {options}")


def to_json(leaks: Iterable[Leak]) -> list[dict[str, object]]:
    """Return plain values."""
    return [{**asdict(leak), "heard_by": list(leak.heard_by)} for leak in leaks]


def _heard(feature: Feature) -> set[str]:
    return {name for scan in scans(feature.expression) for name in names_heard(scan)}


def _worst(leaks: Iterable[Leak]) -> list[Leak]:
    """Return the first refused one, or else the first."""
    ordered = sorted(leaks, key=lambda leak: not leak.refused)
    return ordered[:1]


def _of_feature(journey: Journey, feature: Feature, walks: Walks, values: FloatArray) -> Iterator[Leak]:
    name, missing = feature.name, np.isnan(values)
    if feature.is_category:
        yield from _by_separation(journey, name, separation(walks, as_rates(walks, values)))
        identities, counts = np.unique(values[~missing], return_counts=True)
        frequent = np.argsort(-counts, kind="stable")[:MAX_VALUES]
        for identity in identities[frequent[counts[frequent] >= MIN_SESSIONS]]:
            found = purity(walks, values == identity)
            yield from _by_purity("feature", name, journey, found, "it has one and the same value in")
    else:
        yield from _by_separation(journey, name, separation(walks, values))
        yield from _by_purity("feature", name, journey, purity(walks, ~missing & (values != 0)), "it has a value in")
    if missing.any():
        yield from _by_purity("feature", name, journey, purity(walks, ~missing), "it is known in")
        yield from _by_purity("feature", name, journey, purity(walks, missing), "it is missing in")


def _by_purity(kind: str, name: str, journey: Journey, found: Purity | None, where: str) -> Iterator[Leak]:
    if found is None or found.sessions < MIN_SESSIONS:
        return
    most = found.most_exceptions
    share, ratio = most / found.sessions, most / found.expected if found.expected else np.inf
    if share > WARNED_EXCEPTIONS or ratio > WARNED_RATIO:
        return
    refused = share <= REFUSED_EXCEPTIONS and ratio <= REFUSED_RATIO
    ended = "abandoned" if found.abandons else "not abandoned"
    usual = found.sessions - found.expected
    evidence = (
        f"of the {found.sessions:,} sessions {where}, {found.sessions - found.exceptions:,} were {ended} from there, "
        f"against {usual:,.0f} of as many that stood at the same place before it and went on otherwise"
    )
    figures: dict[str, object] = {
        "sessions": found.sessions,
        "ended": ended,
        "exceptions": found.exceptions,
        "most_exceptions": most,
        "expected_exceptions": found.expected,
    }
    heard_by = tuple(feature.name for feature in journey.features if name in _heard(feature)) if kind == "event" else ()
    remedy = _remedy(journey, kind, name, abandons=found.abandons)
    yield Leak(kind, name, refused, evidence, remedy, figures, heard_by)


def _by_separation(journey: Journey, name: str, found: Separation | None) -> Iterator[Leak]:
    if found is None or found.least < WARNED_AUC:
        return
    events = "the first event" if found.events == 1 else f"{found.events} events"
    evidence = (
        f"right after {events} it alone sorts {found.sessions:,} sessions of the same stage by how they end with an "
        f"AUC of {found.auc:.3f} (at least {found.least:.3f})"
    )
    figures: dict[str, object] = {"sessions": found.sessions, "auc": found.auc, "least_auc": found.least}
    figures["after_events"] = found.events
    remedy = _remedy(journey, "feature", name)
    yield Leak("feature", name, found.least >= REFUSED_AUC, evidence, remedy, figures)


def _remedy(journey: Journey, kind: str, name: str, *, abandons: bool = False) -> str:
    if kind == "event":
        meant = "abandoned" if abandons else "goal"
        return f"add it to Ends({meant}=...) if it is the end, or to Ends(closes=...) if it gives the end away"
    [feature] = [feature for feature in journey.features if feature.name == name]
    heard = sorted(_heard(feature))
    events = f", or add the event that tells it ({', '.join(heard)}) to Ends(closes=...)" if heard else ""
    return f"remove it if its value is only known once the session has ended{events}"
