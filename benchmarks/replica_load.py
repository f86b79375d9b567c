"""A load of live sessions through a proxy at a fixed rate, that remembers every answer, and what is to hold afterwards.

A request's latency counts from the moment at which it was due, so that a stall is charged to every request that it held
up. Nothing is sent again: what fails here has failed for a client.
"""

import http.client
import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from sqlalchemy import create_engine, text

STEPS = ("page_view", "view_product", "add_to_cart", "begin_checkout", "form_error", "payment_failed")
_ANSWER_SECONDS = 30
WINDOW_SECONDS = 0.5
_FLOOR_SECONDS = 0.05
_CALM_WINDOWS = 3


class Answer(NamedTuple):
    """One request: when it was due (seconds of a steady clock), how long it took from then on, and its status."""

    due: float
    seconds: float
    route: str
    status: int
    """0 where there was no answer."""


@dataclass
class Seen:
    """What a load has seen."""

    answers: list[Answer] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    decided: dict[str, str | None] = field(default_factory=dict)
    """Decisions that were answered, by id: the intervention, None for nothing."""

    @property
    def failed(self) -> list[Answer]:
        """Requests without an answer, or with another than 2xx."""
        return [one for one in self.answers if not 200 <= one.status < 300]

    @property
    def statuses(self) -> Counter[int]:
        """How often each status was answered."""
        return Counter(one.status for one in self.answers)

    def p99_ms(self, since: float = 0.0, until: float = float("inf")) -> float:
        """Return the 99th percentile of what was due in a time, in milliseconds."""
        return 1_000 * float(np.quantile([one.seconds for one in self.answers if since <= one.due < until], 0.99))

    def windows(self, since: float, until: float) -> list[tuple[float, float]]:
        """Return beginning (seconds from ``since`` on) and 99th percentile (milliseconds) of every half second."""
        starts = np.arange(since, until - WINDOW_SECONDS, WINDOW_SECONDS)
        spans: defaultdict[int, list[float]] = defaultdict(list)
        for one in self.answers:
            spans[int((one.due - since) // WINDOW_SECONDS)].append(one.seconds)
        return [
            (float(start - since), 1_000 * float(np.quantile(spans[place], 0.99)))
            for place, start in enumerate(starts)
            if spans[place]
        ]

    def recovery_seconds(self, fault_at: float, until: float, before_seconds: float) -> float:
        """Return how long after a fault the 99th percentile began to be as before for a second and a half on end.

        As before is up to twice the highest of any half second in so many seconds before the fault, and 50 ms in any
        case. Infinite where that did not come.
        """
        usual = [p99 for _, p99 in self.windows(fault_at - before_seconds, fault_at)]
        most = max(2 * max(usual), 1_000 * _FLOOR_SECONDS)
        calm = 0
        for start, p99 in self.windows(fault_at, until):
            calm = calm + 1 if p99 <= most else 0
            if calm == _CALM_WINDOWS:
                return start - (_CALM_WINDOWS - 1) * WINDOW_SECONDS
        return float("inf")


class SessionLoad:
    """Senders that let visitors act and ask for advice about them, ``rate`` requests a second in all.

    Each sender has its own visitors, one after the other: six events each, every one of them followed by a question.
    """

    def __init__(self, port: int, key: str, rate: float, senders: int = 12, name: str = "load") -> None:
        self.seen = Seen()
        self._port, self._key, self._name = port, key, name
        self._pause = senders / rate
        self._guard = threading.Lock()
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number, senders)) for number in range(senders)]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    def finish(self) -> Seen:
        """Let every sender have its last answer, and return what was seen."""
        self._ending.set()
        for thread in self._threads:
            thread.join()
        return self.seen

    def _send(self, number: int, senders: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_ANSWER_SECONDS)
        due = time.monotonic() + self._pause * number / senders
        place = 0
        while not self._ending.is_set():
            visitor = f"{self._name}-{number}-{place // (2 * len(STEPS))}"
            step = place % (2 * len(STEPS)) // 2
            route, body = _question(visitor) if place % 2 else _event(visitor, step)
            time.sleep(max(0.0, due - time.monotonic()))
            status, said = self._ask(connection, route, body)
            self._note(Answer(due, time.monotonic() - due, route, status), body, said)
            due += self._pause
            place += 1
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, route: str, body: object) -> tuple[int, bytes]:
        try:
            connection.request("POST", route, json.dumps(body), {"Authorization": f"Bearer {self._key}"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return 0, b""

    def _note(self, answer: Answer, body: Mapping[str, object], said: bytes) -> None:
        with self._guard:
            self.seen.answers.append(answer)
            if answer.status != 200:
                return
            if answer.route == "/v1/track":
                self.seen.acknowledged.add(str(body["messageId"]))
            else:
                told = json.loads(said)
                chosen = told["recommendation"]
                self.seen.decided[told["decision_id"]] = None if chosen is None else chosen["intervention"]


def _question(visitor: str) -> tuple[str, Mapping[str, object]]:
    return "/v1/recommend", {"visitor_id": visitor}


def _event(visitor: str, step: int) -> tuple[str, Mapping[str, object]]:
    properties = {"basket_value": 60.0, "shipping": 9.0, "product": f"p{step}", "field": "card"}
    call = {"messageId": f"{visitor}-{step}", "anonymousId": visitor, "event": STEPS[step], "properties": properties}
    return "/v1/track", call


@dataclass(frozen=True, slots=True)
class Checked:
    """What a database holds after a load; all but the last two have to be 0."""

    lost_events: int
    """Acknowledged events that are not there."""
    repeated_events: int
    lost_decisions: int
    """Answered decisions that are not in the ledger, or stand there otherwise."""
    close_nudges: int
    """Interventions that a person saw sooner after another than is allowed."""
    over_session_cap: int
    over_budget: float
    """Interventions beyond the share of decisions with a choice and the twenty at once."""
    uncounted: float
    """Difference between the interventions in the ledger and those that the budget has counted."""
    treated: int
    choices: int

    @property
    def is_whole(self) -> bool:
        """Whether nothing was lost or repeated, and no cap exceeded."""
        return not any(
            (
                self.lost_events,
                self.repeated_events,
                self.lost_decisions,
                self.close_nudges,
                self.over_session_cap,
                self.over_budget > 0,
                self.uncounted,
            )
        )


def check(url: str, seen: Seen, *, share: float, at_once: float, session_cap: int, pause_seconds: float) -> Checked:
    """Return what the database at an address holds of a load, and whether caps and budget were kept.

    Everything is counted from the ledger itself, not from what the service keeps to hold itself to them.
    """
    engine = create_engine(url)
    with engine.connect() as connection:
        events = [row[0] for row in connection.execute(text("SELECT event_id FROM events"))]
        rows = connection.execute(
            text("SELECT decision_id, visitor_id, session_id, at_us, chosen, drawn, excluded FROM decisions")
        ).all()
        counted = [json.loads(one)["spent"] for one in connection.execute(text("SELECT pace FROM paces")).scalars()]
    engine.dispose()
    ledger = {row.decision_id: row.chosen for row in rows}
    shown = [row for row in rows if row.chosen is not None]
    choices = sum(row.drawn is not None or "budget" in row.excluded for row in rows)
    per_session = Counter(row.session_id for row in shown)
    return Checked(
        lost_events=len(seen.acknowledged - set(events)),
        repeated_events=len(events) - len(set(events)),
        lost_decisions=sum(name not in ledger or ledger[name] != chosen for name, chosen in seen.decided.items()),
        close_nudges=_close([(row.visitor_id, row.at_us) for row in shown], pause_seconds),
        over_session_cap=sum(max(0, count - session_cap) for count in per_session.values()),
        over_budget=len(shown) - share * choices - at_once,
        uncounted=sum(counted) - len(shown),
        treated=len(shown),
        choices=choices,
    )


def _close(shown: Iterable[tuple[str, int]], pause_seconds: float) -> int:
    moments: defaultdict[str, list[int]] = defaultdict(list)
    for visitor_id, at_us in shown:
        moments[visitor_id].append(at_us)
    gaps = [gap for each in moments.values() for gap in np.diff(sorted(each))]
    return sum(bool(gap < 1e6 * pause_seconds) for gap in gaps)
