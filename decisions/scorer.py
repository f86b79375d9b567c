"""The scorer: from a session to a risk and a decision, without a framework and without any input or output."""

import math
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from time import perf_counter

import numpy as np

from decisions.assignment import in_holdout
from decisions.decision import Decision, Reason, Recommendation, Score
from decisions.diagnosis import Diagnosis, diagnose
from decisions.eligibility import Eligibility, Reach, eligible_interventions
from decisions.intervention import Intervention
from decisions.onlookers import (
    Answered,
    Onlooker,
    Second,
    Timer,
    Watcher,
    ask_nobody,
    ignore_decision,
    ignore_row,
    ignore_time,
    nothing_holds_back,
)
from decisions.past import PastIntervention
from decisions.policy import NOTHING, Option, Policy, PolicySettings, PriorPolicy, Situation
from decisions.risk import RiskModel
from decisions.trial import FirstKey, Moment, RunningExperiment, decide_among
from features.events import US_PER_SECOND, FloatArray
from features.live import LiveSession

LOW_RISK_NARRATIVE = "Sessions like this one mostly go on; nothing needs doing."
ENDED_NARRATIVE = "The session has ended; there is nothing left to prevent."


def no_key(_name: str) -> float:
    """Know nothing of a session's columns."""
    return math.nan


@dataclass(frozen=True)
class Scorer:
    """Answers for one journey with one model; everything it needs is handed in.

    ``ends`` are the codes of the events after which nothing is recommended: no model has learnt from what follows them.
    ``experiments`` are those that run, the one that started first first. ``why_not`` says why nothing may be shown to
    anybody at this moment, such as for want of a budget; None where something may.
    """

    journey: str
    stage_names: tuple[str, ...]
    interventions: tuple[Intervention, ...]
    settings: PolicySettings
    model: RiskModel
    policy: Policy | None = None
    ends: frozenset[int] = frozenset()
    experiments: tuple[RunningExperiment, ...] = ()
    timer: Timer = field(default=ignore_time, compare=False)
    watcher: Watcher = field(default=ignore_row, compare=False)
    onlooker: Onlooker = field(default=ignore_decision, compare=False)
    second: Second = field(default=ask_nobody, compare=False)
    why_not: Callable[[], str | None] = field(default=nothing_holds_back, compare=False)

    @cached_property
    def _policy(self) -> Policy:
        return self.policy or PriorPolicy(self.settings)

    @cached_property
    def _stage_column(self) -> int:
        return self.model.table.names.index("stage_index")

    def score(self, session: LiveSession, earlier: Sequence[LiveSession], at_us: int) -> Score:
        """Return the risk of a session at a moment; ``earlier`` are the visitor's other sessions.

        Raises ValueError when the session had no event by then.
        """
        at_latest_event, row = self._rows(session, earlier, at_us)
        started, subject = perf_counter(), _subject(session, at_us)
        score = self._score(row, subject)
        if not session.happened(self.ends, at_us):
            self.watcher(at_latest_event, score.risk)
            if self.second is not ask_nobody:
                taken = perf_counter() - started
                self.second(Answered(score, None, taken, lambda other: (other._score(row, subject), None)))
        return score

    def score_rows(self, rows: FloatArray, subjects: Sequence[tuple[str, int, int, int]]) -> list[Score]:
        """Return the scores of rows (R, F) of ``(session_id, events seen, latest event's time, moment)``."""
        started = perf_counter()
        idle_seconds = np.array([(at_us - latest_us) / US_PER_SECOND for _, _, latest_us, at_us in subjects])
        risks, leaving = self.model.foresee(rows, idle_seconds)
        self.timer("predict", perf_counter() - started)
        return [
            Score(
                session_id,
                self.journey,
                self._stage(row),
                float(risks[place]),
                seen,
                self.model.version,
                at_us,
                None if leaving is None else float(leaving[place]),
                self.model.hazard.within_seconds if self.model.hazard else None,
            )
            for place, (row, (session_id, seen, _, at_us)) in enumerate(zip(rows, subjects, strict=True))
        ]

    def _score(self, row: FloatArray, subject: tuple[str, int, int, int]) -> Score:
        return self.score_rows(row[None], [subject])[0]

    def recommend(
        self,
        session: LiveSession,
        earlier: Sequence[LiveSession],
        at_us: int,
        history: Sequence[PastIntervention] = (),
        *,
        consent: bool = True,
        decision_id: str | None = None,
        assignment_id: str | None = None,
        reach: Reach | None = None,
    ) -> Decision:
        """Return the decision about a session at a moment.

        ``history`` is what the person was recommended before. By ``assignment_id`` the holdout is drawn; the visitor's
        own id by default. The same ``decision_id`` draws the same number. ``reach`` is given for a session that was
        abandoned by silence: how its visitor can be reached now.
        """
        at_latest_event, row = self._rows(session, earlier, at_us)
        started, subject = perf_counter(), _subject(session, at_us)
        score = self._score(row, subject)
        if session.happened(self.ends, at_us):
            identity = decision_id or uuid.uuid4().hex
            holdout = in_holdout(self.journey, assignment_id or session.visitor_id, self.settings.holdout)
            over = Diagnosis((), True, ENDED_NARRATIVE)
            return self._nothing(identity, session.visitor_id, score, over, Reason.ENDED, holdout)
        if reach is None:
            self.watcher(at_latest_event, score.risk)
        decision = self.decide(
            row,
            score,
            session.visitor_id,
            history,
            at_latest_event=at_latest_event,
            consent=consent,
            decision_id=decision_id,
            assignment_id=assignment_id,
            reach=reach,
            first_key=lambda name: session.first_key(name, at_us),
        )
        if reach is None and self.second is not ask_nobody:
            # By the time at which it is asked, a budget may be used up, or renewed.
            held_back = self.why_not()

            def ask(other: "Scorer") -> tuple[Score, Decision]:
                scored = other._score(row, subject)
                return scored, replace(other, why_not=lambda: held_back).decide(
                    row,
                    scored,
                    decision.visitor_id,
                    history,
                    at_latest_event=at_latest_event,
                    consent=consent,
                    decision_id=decision.decision_id,
                    assignment_id=assignment_id,
                )

            self.second(Answered(score, decision, perf_counter() - started, ask))
        return decision

    def decide(
        self,
        row: FloatArray,
        score: Score,
        visitor_id: str,
        history: Sequence[PastIntervention] = (),
        *,
        at_latest_event: FloatArray | None = None,
        consent: bool = True,
        decision_id: str | None = None,
        assignment_id: str | None = None,
        reach: Reach | None = None,
        first_key: FirstKey = no_key,
    ) -> Decision:
        """Return the decision about a row (F,) that has been scored.

        ``at_latest_event`` (F,) is the row right after the session's latest event, by default ``row`` itself. With
        ``reach`` the session has been abandoned, so that no risk of it is low. Experiments tell cohorts by
        ``first_key``.
        """
        identity = decision_id or uuid.uuid4().hex
        holdout = in_holdout(self.journey, assignment_id or visitor_id, self.settings.holdout)
        if reach is None and score.risk < self.settings.low_risk:
            quiet = Diagnosis((), True, LOW_RISK_NARRATIVE)
            return self._nothing(identity, visitor_id, score, quiet, Reason.LOW_RISK, holdout)
        started = perf_counter()
        explanation = self.model.explain(row[None])
        self.timer("explain", perf_counter() - started)
        started = perf_counter()
        latest = row if at_latest_event is None else at_latest_event
        diagnosis = diagnose(self.model.table, self.model.blockers, row, latest, explanation.contributions[0])

        held_back = self.why_not()

        def allow(only_matching: bool) -> Eligibility:
            return eligible_interventions(
                self.interventions,
                stage=score.stage,
                frictions=[blocker.friction for blocker in diagnosis.blockers],
                session_id=score.session_id,
                at_us=score.at_us,
                history=history,
                session_cap=self.settings.session_cap,
                consent=consent,
                messages_while_open=self.settings.messages_while_open,
                reach=reach,
                only_matching=only_matching,
                nudge_within_seconds=self.settings.nudge_within_seconds,
                held_back=held_back,
            )

        moment = Moment(
            self.journey,
            assignment_id or visitor_id,
            identity,
            Situation(score.stage, score.risk, diagnosis.blockers, diagnosis.confidence, row),
            allow(self.settings.only_matching),
            lambda: allow(only_matching=False),
            first_key,
            self._policy,
            self.settings,
        )
        decision = self._choose(visitor_id, score, diagnosis, holdout, moment)
        if decision.drawn is not None:
            self.onlooker(moment, decision)
        self.timer("decide", perf_counter() - started)
        return decision

    def _choose(self, visitor_id: str, score: Score, diagnosis: Diagnosis, holdout: bool, moment: Moment) -> Decision:
        identity, allowed = moment.identity, moment.allowed
        if diagnosis.abstained and self.settings.only_matching:
            return self._nothing(identity, visitor_id, score, diagnosis, Reason.NO_BLOCKER, holdout, allowed)
        if not allowed.eligible:
            reason = Reason.HOLDOUT if holdout else Reason.NOT_ELIGIBLE
            return self._nothing(identity, visitor_id, score, diagnosis, reason, holdout, allowed)
        chosen = decide_among(() if holdout else self.experiments, moment)
        if holdout:
            # What the policy would have done now cannot be asked later: by then it has learnt more.
            kept = self._nothing(identity, visitor_id, score, diagnosis, Reason.HOLDOUT, holdout, allowed)
            return replace(kept, withheld=chosen.propensities)
        # An experiment may show what the policy could not have.
        eligible = {NOTHING, *(one.name for one in allowed.eligible), *chosen.propensities}
        names = [name for name in (NOTHING, *(one.name for one in self.interventions)) if name in eligible]
        return Decision(
            decision_id=identity,
            visitor_id=visitor_id,
            score=score,
            blockers=diagnosis.blockers,
            confidence=diagnosis.confidence,
            narrative=diagnosis.narrative,
            recommendation=self._recommendation(chosen.option),
            reason=chosen.reason,
            holdout=holdout,
            propensity=chosen.propensities[chosen.option.name if chosen.option else NOTHING],
            propensities={name: chosen.propensities.get(name, 0.0) for name in names},
            eligible=tuple(names[1:]),
            excluded={name: reason for name, reason in allowed.excluded.items() if name not in eligible},
            drawn=chosen.drawn,
            policy_version=chosen.policy_version,
            met=chosen.met,
        )

    def _nothing(
        self,
        identity: str,
        visitor_id: str,
        score: Score,
        diagnosis: Diagnosis,
        reason: Reason,
        holdout: bool,
        allowed: Eligibility | None = None,
    ) -> Decision:
        return Decision(
            decision_id=identity,
            visitor_id=visitor_id,
            score=score,
            blockers=diagnosis.blockers,
            confidence=diagnosis.confidence,
            narrative=diagnosis.narrative,
            recommendation=None,
            reason=reason,
            holdout=holdout,
            propensity=1.0,
            propensities={NOTHING: 1.0},
            eligible=tuple(intervention.name for intervention in allowed.eligible) if allowed else (),
            excluded=allowed.excluded if allowed else {},
            drawn=None,
            policy_version=self._policy.version,
        )

    def _recommendation(self, chosen: Option | None) -> Recommendation | None:
        if chosen is None:
            return None
        [shown] = [intervention for intervention in self.interventions if intervention.name == chosen.name]
        return Recommendation(shown.name, shown.title, shown.message, shown.channel, chosen.expected_uplift, shown.cost)

    def _rows(self, session: LiveSession, earlier: Sequence[LiveSession], at_us: int) -> FloatArray:
        """Return the rows (2, F) right after the latest event and at the moment."""
        started = perf_counter()
        seen = session.seen(at_us)
        rows = session.rows([(seen, session.latest_us(at_us)), (seen, at_us)], earlier)
        self.timer("replay", perf_counter() - started)
        return rows

    def _stage(self, row: FloatArray) -> str | None:
        index = row[self._stage_column]
        return None if math.isnan(index) else self.stage_names[int(np.int64(index))]


def _subject(session: LiveSession, at_us: int) -> tuple[str, int, int, int]:
    """Return what ``Scorer.score_rows`` is told of a session at a moment."""
    return session.session_id, session.seen(at_us), session.latest_us(at_us), at_us
