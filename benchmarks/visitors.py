"""Simulated visitors of a live service: they wait at a decision for what it recommends, and go on under that."""

import heapq
import http.client
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.clocked_service import SharedClock
from decisions.logged import BoolArray
from features.events import US_PER_SECOND, Event, FloatArray, IntArray
from journeys.journey import Journey
from serving.replay import segment_call
from serving.times import show_time
from training.simulator.ceiling import filter_remedies
from training.simulator.decided_log import show
from training.simulator.deciding import decide
from training.simulator.log import to_events
from training.simulator.points import NEVER, one_session, take_sessions, true_remedies
from training.simulator.rules import compile_world
from training.simulator.simulate import Chunk
from training.simulator.world import World


class Visits:
    """A chunk of sessions that a service is told of, one event after the other in the order of time."""

    def __init__(self, world: World, journey: Journey, chunk: Chunk, port: int, clock: SharedClock) -> None:
        self._world, self._rules, self._clock = world, compile_world(world), clock
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        rng = np.random.default_rng(chunk.rng.integers(2**63))
        decided, eligible = decide(world, journey, chunk, rng)
        # Who is never decided about is needed for nobody's history.
        wanted = np.isin(chunk.visits.visitor, chunk.visits.visitor[decided != NEVER])
        self._chunk = take_sessions(chunk, wanted)
        self._decided, self._eligible = decided[wanted], eligible[wanted]
        self._rng = rng
        self._places = {remedy.name: place for place, remedy in enumerate(world.remedies, start=1)}

    def go(self, most: int) -> Iterator[tuple[int, int, bool]]:
        """Let at most so many decisions be made; yields session, option and whether the goal is then reached."""
        walks = self._chunk.walks
        sessions = np.repeat(np.arange(len(self._decided)), np.diff(walks.starts))
        since = np.cumsum(walks.gap_us)
        at_us = self._chunk.visits.started_us[sessions] + since - since[walks.starts[sessions]]
        asked = walks.starts[:-1] + self._decided
        last = walks.starts[1:] - 1
        moments = at_us[np.where(self._decided == NEVER, last, asked)]
        waiting: list[tuple[int, int, Sequence[Event]]] = [
            (int(moment), session, ()) for session, moment in enumerate(moments.tolist())
        ]
        heapq.heapify(waiting)
        while waiting and most > 0:
            moment, session, rest = heapq.heappop(waiting)
            self._clock.move_to(moment)
            if rest:
                self._send(rest)
                continue
            events = self._events(self._alone(session))
            if self._decided[session] == NEVER:
                self._send(events)
                continue
            self._send(events[: self._decided[session] + 1])
            option = self._ask(events[0].session_id or "", moment)
            after = self._shown(session, option)
            following = self._events(after)[self._decided[session] + 1 :]
            if following:
                heapq.heappush(waiting, (following[-1].occurred_at_us, session, following))
            most -= 1
            yield session, option, bool(after.walks.converted[0])

    def truth(self, sessions: IntArray) -> tuple[BoolArray, FloatArray, FloatArray]:
        """Return what could be shown (D, A), and the goal's probability under it as it is and as it can be known.

        What can be known rests on earlier sessions as they would have gone on with nothing shown.
        """
        known = filter_remedies(self._world, self._chunk, self._decided)[sessions]
        true = true_remedies(self._rules, self._chunk.visits.setting, self._chunk.walks, self._decided)[sessions]
        return self._eligible[sessions], true, known

    def close(self) -> None:
        """Close the connection to the service."""
        self._connection.close()

    def _alone(self, session: int) -> Chunk:
        return one_session(self._chunk, session)

    def _shown(self, session: int, option: int) -> Chunk:
        even = 1.0 / self._eligible[session].sum()
        decided, propensity = self._decided[session : session + 1], np.array([even])
        return show(self._rules, self._alone(session), decided, np.array([option]), propensity, self._rng)

    def _events(self, chunk: Chunk) -> list[Event]:
        table = to_events(self._world, chunk.visits, chunk.walks, chunk.first_session, self._rng)
        rows = {row["event_id"]: row for row in table.to_pylist()}
        return [_as_event(rows[event_id]) for event_id in sorted(rows)]

    def _send(self, events: Sequence[Event]) -> None:
        self._post("/v1/batch", {"batch": [segment_call(event) for event in events]})

    def _ask(self, session_id: str, at_us: int) -> int:
        answer = self._post("/v1/recommend", {"session_id": session_id, "at": show_time(at_us)})
        recommended = answer["recommendation"]
        return 0 if recommended is None else self._places[recommended["intervention"]]

    def _post(self, path: str, body: object) -> dict[str, Any]:
        self._connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        with self._connection.getresponse() as response:
            said = response.read()
            if response.status != 200:
                raise RuntimeError(f"the service answered {path} with {response.status}: {said.decode()}")
        found: dict[str, Any] = json.loads(said)
        return found


def _as_event(row: dict[str, Any]) -> Event:
    texts = {name: row[name] for name in ("session_id", "user_id", "channel", "device", "source", "campaign")}
    return Event(
        event_id=str(row["event_id"]),
        name=str(row["name"]),
        occurred_at_us=round(row["occurred_at"].timestamp() * US_PER_SECOND),
        visitor_id=str(row["visitor_id"]),
        properties=json.loads(str(row["properties"])),
        **texts,
    )
