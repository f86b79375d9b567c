"""Train on what the service itself has logged: ``dropoff retrain``."""

import math
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from decisions.decision import Reason
from decisions.diagnosis import Blocker
from decisions.policy import NOTHING, PriorPolicy, Situation, choose
from features.events import EncodedLog, FloatArray
from features.read_log import ReadSummary
from features.staging import Progress
from journeys.ends import SessionEnds
from journeys.journey import Journey
from storage.database import open_database
from storage.event_log import EventLog
from storage.ledger import Ledger, LedgerEntry
from training.pipeline import TrainingResult, train
from training.split import TooFewSessions
from training.treatments import NEVER_US, Treatments, shown_in_log
from training.tune import Trial

LEAST_SESSIONS = 500
"""Fewer untreated sessions with a known end are no ground to replace a champion on."""


class NothingLogged(LookupError):
    """The service has logged nothing of the journey; the text says where that was looked for."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What the log and the ledger came to.

    ``treated`` sessions were recommended or shown something before they ended, ``treated_at_unknown_odds`` of them
    without a decision in the ledger. ``used`` have a known end and were not treated; they are worth as many equal ones
    as ``effective`` says (Kish 1965).
    """

    events: int
    sessions: int
    decisions: int
    decisions_elsewhere: int
    treated: int
    treated_at_unknown_odds: int
    used: int
    effective: float
    largest_weight: float

    def describe(self) -> list[str]:
        """Return sentences about what was left out, and how the rest is weighed."""
        share = self.treated / max(1, self.sessions)
        lines = [
            f"The service has logged {self.events:,} events of {self.sessions:,} sessions, and {self.decisions:,} "
            "decisions.",
            f"{self.treated:,} sessions ({share:.0%}) were treated before they ended and are left out.",
            f"{self.used:,} with a known end remain, worth {self.effective:,.0f} equal ones (largest weight "
            f"{self.largest_weight:.1f}).",
        ]
        if self.treated_at_unknown_odds:
            lines.append(
                f"{self.treated_at_unknown_odds:,} were shown something that no decision in the ledger explains; its "
                "odds are unknown, so nobody stands for them."
            )
        return lines


@dataclass(frozen=True, slots=True)
class Retrained:
    """A training on the service's log, and what was joined for it."""

    training: TrainingResult
    joined: Joined

    def to_json(self) -> dict[str, object]:
        """Return what ``dropoff retrain --json`` writes."""
        joined = {name: getattr(self.joined, name) for name in Joined.__dataclass_fields__}
        share = self.joined.treated / max(1, self.joined.sessions)
        return {**self.training.to_json(), "log": {**joined, "treated_share": share}}


def retrain(
    journey: Journey,
    *,
    home: Path,
    mlruns: Path,
    database: str,
    least_sessions: int = LEAST_SESSIONS,
    trials: int = 0,
    seed: int = 7,
    threads: int | None = None,
    allowed_leaks: Sequence[str] = (),
    progress: Progress = lambda _phase, _fraction: None,
    on_read: Callable[[ReadSummary], None] = lambda _summary: None,
    on_trial: Callable[[Trial], None] = lambda _trial: None,
    on_joined: Callable[[Joined], None] = lambda _joined: None,
) -> Retrained:
    """Train on the service's own log, without the sessions it has treated, and promote through the same contest.

    ``database`` is the service's address. Raises :class:`NothingLogged`, what ``train`` raises, and
    ``training.split.TooFewSessions`` below ``least_sessions`` untreated sessions with a known end.
    """
    engine = open_database(database)
    try:
        with tempfile.TemporaryDirectory(prefix="dropoff-") as folder:
            progress("copying the log", 0.0)
            path = Path(folder) / "log.parquet"
            if not EventLog(engine, journey.name).export(path):
                raise NothingLogged(
                    f"the service has logged no event of {journey.name} in {engine.url}; "
                    f"run `dropoff serve {journey.name}` and send it events first"
                )
            ledger = Ledger(engine, journey.name)
            seen: list[Joined] = []

            def spare(log: EncodedLog, ends: SessionEnds) -> tuple[SessionEnds, FloatArray]:
                treatments, elsewhere, unknown = join_ledger(journey, log, ledger.all_decisions())
                censored, weights = treatments.censor(ends), treatments.weights(ends)
                used = ~np.isnan(censored.outcome) & (censored.usable > 0)
                chosen = weights[used]
                seen.append(
                    Joined(
                        events=log.event_count,
                        sessions=log.session_count,
                        decisions=len(treatments.session) + elsewhere,
                        decisions_elsewhere=elsewhere,
                        treated=int(treatments.treated_before(ends).sum()),
                        treated_at_unknown_odds=unknown,
                        used=len(chosen),
                        effective=float(chosen.sum() ** 2 / (chosen**2).sum()) if len(chosen) else 0.0,
                        largest_weight=float(chosen.max(initial=1.0)),
                    )
                )
                on_joined(seen[0])
                if len(chosen) < least_sessions:
                    raise TooFewSessions(
                        f"only {len(chosen):,} sessions that were not treated have a known end, and "
                        f"{least_sessions:,} are needed; wait for more, or lower --min-sessions"
                    )
                return censored, weights

            training = train(
                journey,
                path,
                home=home,
                mlruns=mlruns,
                trials=trials,
                seed=seed,
                threads=threads,
                allowed_leaks=allowed_leaks,
                progress=progress,
                on_read=on_read,
                on_trial=on_trial,
                spare=spare,
                data_name=f"the service's log of {journey.name}",
            )
    finally:
        engine.dispose()
    return Retrained(training, seen[0])


def join_ledger(journey: Journey, log: EncodedLog, ledger: Iterable[LedgerEntry]) -> tuple[Treatments, int, int]:
    """Return what was done to the log's sessions, and two numbers.

    They are how many decisions are about sessions that the log does not have, and how many sessions were shown
    something that no recommendation came before. A recommendation counts as a treatment from its moment on, whether or
    not the app reports it as shown: whom an app shows something to may depend on what happens next, and the ledger's
    odds are those of recommending.
    """
    place = {name: index for index, name in enumerate(log.session_ids.tolist())}
    recommended = np.full(log.session_count, NEVER_US, np.int64)
    sessions, moments, odds = [], [], []
    elsewhere = 0
    for entry in ledger:
        index = place.get(entry.session_id)
        if index is None:
            elsewhere += 1
        elif entry.reason != Reason.ENDED:
            sessions.append(index)
            moments.append(entry.at_us)
            odds.append(odds_of_nothing(journey, entry))
            if entry.chosen is not None:
                recommended[index] = min(recommended[index], entry.at_us)
    shown = shown_in_log(log)
    treatments = Treatments(
        treated_us=np.minimum(recommended, shown),
        session=np.array(sessions, np.int64),
        at_us=np.array(moments, np.int64),
        nothing=np.array(odds, np.float64),
        holdout=journey.policy.holdout,
    )
    return treatments, elsewhere, int(((shown < NEVER_US) & (shown < recommended)).sum())


def odds_of_nothing(journey: Journey, entry: LedgerEntry) -> float:
    """Return the probability that nothing was recommended, had the visitor not been in the holdout.

    The ledger has it for everybody, also what was withheld from the holdout. Where that was not kept yet, the only
    policy that there was then is asked again what it would have done.
    """
    if entry.withheld is not None:
        return float(entry.withheld[NOTHING])
    if not entry.holdout or not entry.eligible:
        return float(entry.propensities[NOTHING])
    known = {intervention.name: intervention for intervention in journey.interventions}
    eligible = [known[name] for name in entry.eligible if name in known]
    blockers = [_blocker(journey, blocker) for blocker in entry.blockers]
    situation = Situation(entry.stage, entry.risk, tuple(one for one in blockers if one), entry.confidence or {})
    assessment = PriorPolicy(journey.policy).assess(eligible, situation)
    return float(choose(assessment, journey.policy.exploration, 0.0).propensities[NOTHING])


def _blocker(journey: Journey, kept: Mapping[str, object]) -> Blocker | None:
    friction = next((friction for friction in journey.frictions if friction.name == kept["friction"]), None)
    if friction is None:
        return None
    # A ledger that is older than confidences has none, and the policy asks only for shares.
    return Blocker(friction, float(str(kept["share"])), float(str(kept.get("confidence", math.nan))), ())
