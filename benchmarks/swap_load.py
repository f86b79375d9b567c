"""A load on replicas while their champion changes, and what each answer would be by the model that it names.

Every answer is made again here, by the version that it names, from the same events: one that mixed two models, or
named another than the one that it was made by, would differ in a number.
"""

import http.client
import json
import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import lightgbm
import msgspec

from decisions.calibration import Calibrator, CalibratorKind
from decisions.risk import RiskModel
from decisions.scorer import Scorer
from features.plan import compile_plan
from journeys.journey import Journey
from serving.advice import describe
from serving.canonical import sessions_of
from serving.messages import RecommendRequest
from storage.models import model_folder

ROUTES = ("/v1/score", "/v1/recommend")
_TROUBLE = ("page_view", "view_product", "add_to_cart", "begin_checkout", "form_error", "payment_failed")
_ANSWER_SECONDS = 30
_COMPARED = ("risk", "leaving_soon", "stage", "events_seen", "blockers", "narrative")
_FAR_US = 2**62


class Answered(NamedTuple):
    """One request: when it was answered (seconds since 1970), how long it took, by whom, and what was said."""

    at: float
    seconds: float
    port: int
    route: str
    body: int
    status: int
    answer: Mapping[str, Any]


def versions_of(model: RiskModel, count: int) -> list[RiskModel]:
    """Return so many versions of a model, no two of which give one number alike: each has fewer trees, and a shift."""
    trees = model.booster.num_trees()
    found = []
    for number in range(1, count + 1):
        kept = max(1, trees - number * max(1, trees // (2 * count)))
        hazard = model.hazard
        if hazard is not None:
            shift = Calibrator(CalibratorKind.PLATT, (1.0 - 0.01 * number, 0.02 * number))
            hazard = replace(hazard, calibrator=shift)
        booster = lightgbm.Booster(model_str=model.booster.model_to_string(num_iteration=kept))
        version = f"{model.version}.{number}"
        card = {**model.card, "version": version}
        found.append(replace(model, version=version, booster=booster, hazard=hazard, card=card))
    return found


def make_bodies(count: int, seed: int = 1) -> list[str]:
    """Return requests about sessions in trouble that carry their own events, and so depend on nothing that is kept."""
    chance, bodies, now = random.Random(seed), [], time.time() - 3_600
    for number in range(count):
        at, events = now, []
        for place in range(chance.randint(3, 14)):
            at += chance.uniform(1, 60)
            name = _TROUBLE[min(place, 3)] if place < 4 else chance.choice(_TROUBLE)
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
            properties = {"basket_value": chance.uniform(20, 200), "code": "declined", "field": "card"}
            events.append(
                {
                    "event_id": f"{number}-{place}",
                    "visitor_id": f"swap-{number}",
                    "name": name,
                    "occurred_at": f"{stamp}.{round(at % 1 * 1e6):06}Z",
                    "properties": properties,
                }
            )
        bodies.append(json.dumps({"events": events}))
    return bodies


@dataclass
class SwapLoad:
    """Connections that ask replicas in turn, each the next as soon as it has its answer and a little pause."""

    ports: Sequence[int]
    bodies: Sequence[str]
    connections: int = 4
    pause_seconds: float = 0.005
    answers: list[Answered] = field(default_factory=list)
    _ending: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> "SwapLoad":
        for number in range(self.connections):
            self._threads.append(threading.Thread(target=self._ask_on, args=(number,)))
            self._threads[-1].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _ask_on(self, number: int) -> None:
        connections = {
            port: http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_SECONDS) for port in self.ports
        }
        place = number
        while not self._ending.is_set():
            port, route = self.ports[place % len(self.ports)], ROUTES[place // len(self.ports) % len(ROUTES)]
            body = place % len(self.bodies)
            self.answers.append(self._ask(connections[port], port, route, body))
            place += self.connections + 1
            self._ending.wait(self.pause_seconds)
        for one in connections.values():
            one.close()

    def _ask(self, connection: http.client.HTTPConnection, port: int, route: str, body: int) -> Answered:
        started = time.perf_counter()
        try:
            connection.request("POST", route, self.bodies[body], {"Content-Type": "application/json"})
            answer = connection.getresponse()
            status, said = answer.status, json.loads(answer.read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            connection.close()
            status, said = 0, {"error": str(error)}
        return Answered(time.time(), time.perf_counter() - started, port, route, body, status, said)


def mixed(
    answers: Sequence[Answered], bodies: Sequence[str], journey: Journey, home: Path
) -> tuple[list[Answered], dict[str, int]]:
    """Return the answers that are not what the version that they name says, and how many each version gave."""
    plan = compile_plan(journey.table)
    scorers, expected, found = dict[str, Scorer](), dict[tuple[str, str, int], dict[str, Any]](), list[Answered]()
    counts: dict[str, int] = {}
    for one in answers:
        version = str(one.answer["model_version"])
        counts[version] = counts.get(version, 0) + 1
        if version not in scorers:
            model = RiskModel.load(model_folder(home, journey.name, version), journey.table)
            scorers[version] = Scorer(
                journey.name,
                tuple(stage.name for stage in journey.stages),
                journey.interventions,
                journey.policy,
                model,
                ends=frozenset(plan.codes[name] for name in journey.ends.all_names),
            )
        key = version, one.route, one.body
        if key not in expected:
            request = msgspec.json.decode(bodies[one.body], type=RecommendRequest)
            timeout_us = int(journey.session_timeout_seconds * 1e6)
            _, session = sessions_of(list(request.events or ()), plan, timeout_us, latest_us=_FAR_US, most=1_000)
            decision = scorers[version].recommend(session, (), session.last_at_us, consent=False)
            said = msgspec.to_builtins(describe(decision))
            expected[key] = {name: said[name] for name in _COMPARED}
        if any(one.answer[name] != expected[key][name] for name in _COMPARED if name in one.answer):
            found.append(one)
    return found, counts


def switch_seconds(answers: Sequence[Answered], port: int, version: str, since: float, until: float) -> float | None:
    """Return how long after ``since`` a replica last answered by another version; None where it never switched."""
    mine = [one for one in answers if one.port == port and since <= one.at < until]
    others = [one.at for one in mine if one.answer.get("model_version") != version]
    if len(others) == len(mine):
        return None
    return max(others, default=since) - since
