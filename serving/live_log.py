"""Sessions as they stand now, for the pages."""

from collections.abc import Sequence

from insights.sessions import Advice, Step, ToldSession, Touch, known
from insights.timelines import say_of_rows
from serving.errors import ClientError
from serving.records import replay_session
from serving.runtime import Runtime
from serving.times import show_time
from serving.touched import touchpoints_of


class LiveLog:
    """The stored log of a service; everything in it is for any thread."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def tell(self, session_id: str) -> ToldSession | None:
        """Return a session, with what the model says after each event and what was decided; None if unknown."""
        runtime = self._runtime
        try:
            replayed = replay_session(runtime, session_id)
        except ClientError:
            return None
        # Nothing is foreseen once an end has been reached: no model has learnt from what follows.
        ends = [place for place, event in enumerate(replayed.events) if event.name in runtime.journey.ends.all_names]
        asked = ends[0] if ends else len(replayed.events)
        said = say_of_rows(runtime.model, replayed.rows[:asked]) if asked else None
        steps = [
            Step(
                show_time(event.occurred_at_us),
                event.name,
                stage,
                known(said.risk[place]) if said and place < asked else None,
                known(said.leaving_soon[place]) if said and place < asked else None,
                said.blocker[place] if said and place < asked else None,
                said.phrase[place] if said and place < asked else None,
            )
            for place, (event, stage) in enumerate(zip(replayed.events, replayed.stages, strict=True))
        ]
        outcomes: dict[str, list[str]] = {}
        for outcome in runtime.ledger.session_outcomes(session_id):
            outcomes.setdefault(outcome.decision_id, []).append(str(outcome.outcome))
        advice = [
            Advice(
                show_time(entry.at_us),
                entry.stage,
                entry.risk,
                entry.chosen,
                entry.reason,
                entry.narrative,
                tuple(outcomes.get(entry.decision_id, ())),
                f"{entry.experiment}: {entry.variant}" if entry.experiment else None,
            )
            for entry in runtime.ledger.session_decisions(session_id)
            if entry.visitor_id == replayed.visitor_id
        ]
        last_us = replayed.events[-1].occurred_at_us
        touches = touchpoints_of(runtime, replayed.person, replayed.visitor_id, replayed.user_id, last_us)
        return ToldSession(
            session_id,
            replayed.visitor_id,
            replayed.user_id,
            tuple(steps),
            tuple(advice),
            tuple(Touch(show_time(one.occurred_at_us), one.name, one.channel, one.campaign) for one in touches),
        )

    def find(self, text: str) -> Sequence[str]:
        """Return the latest session of a session, visitor or user id, as the log has it."""
        return self._runtime.log.sessions_of(text)
