"""A load that sends again whatever was not acknowledged, as real clients do, and remembers what was."""

import http.client
import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import func, select

from storage.database import open_database
from storage.tables import events

_SENDERS = 4
_BATCH_EVENTS = 20
_ANSWER_SECONDS = 20
_PAUSE_SECONDS = 0.05
_PATIENCE_SECONDS = 60.0


@dataclass
class Sent:
    """What became of a load: the ids that were acknowledged, and how often each status was answered.

    ``unretryable`` counts answers 503 that did not say when to come again.
    """

    acknowledged: set[str] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)
    unretryable: int = 0
    longest_seconds: float = 0.0
    """The longest that a batch took from its first attempt to its acknowledgement."""


class Load:
    """Senders that post batches to a service from :meth:`start` to :meth:`finish`, each batch until it is taken.

    A batch that got no answer may have been kept all the same, so it is sent again with the same message ids.
    """

    def __init__(self, port: int, seed: int = 1) -> None:
        self.sent = Sent()
        self._port = port
        self._guard = threading.Lock()
        self._ending = threading.Event()
        self._given_up_at = float("inf")
        self._numbers = itertools.count()
        self._threads = [
            threading.Thread(target=self._send, args=(random.Random(f"{seed}-{place}"),)) for place in range(_SENDERS)
        ]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    def finish(self) -> Sent:
        """Let every sender have its last batch acknowledged, then return what was sent."""
        self._given_up_at = time.monotonic() + _PATIENCE_SECONDS
        self._ending.set()
        for thread in self._threads:
            thread.join()
        return self.sent

    def acknowledged(self) -> int:
        """Return how many events have been acknowledged so far."""
        with self._guard:
            return len(self.sent.acknowledged)

    def _send(self, source: random.Random) -> None:
        connection = self._connect()
        while not self._ending.is_set():
            ids = [f"m{next(self._numbers)}" for _ in range(_BATCH_EVENTS)]
            body = json.dumps({"batch": [_call(message_id, source) for message_id in ids]})
            started = time.monotonic()
            while not self._post(connection, body, ids):
                if self._ending.is_set() and time.monotonic() > self._given_up_at:
                    raise RuntimeError(f"the service did not take {ids[0]} and what followed")
                connection.close()
                connection = self._connect()
                time.sleep(_PAUSE_SECONDS)
            with self._guard:
                self.sent.longest_seconds = max(self.sent.longest_seconds, time.monotonic() - started)
        connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=_ANSWER_SECONDS)

    def _post(self, connection: http.client.HTTPConnection, body: str, ids: Iterable[str]) -> bool:
        try:
            connection.request("POST", "/v1/batch", body)
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as error:
            with self._guard:
                self.sent.answers[type(error).__name__] += 1
            return False
        with self._guard:
            self.sent.answers[str(answer.status)] += 1
            if answer.status == 503 and not answer.getheader("Retry-After"):
                self.sent.unretryable += 1
            if answer.status == 200 and json.loads(said)["quarantined"] == 0:
                self.sent.acknowledged.update(ids)
        return answer.status == 200


@dataclass(frozen=True, slots=True)
class Kept:
    """What a database holds of a load."""

    lost: int
    """Acknowledged events that are not there."""
    repeated: int
    """Rows beyond one for an event."""
    stored: int


def compare(url: str, sent: Sent) -> Kept:
    """Return what the database at an address holds of what was acknowledged."""
    engine = open_database(url)
    with engine.connect() as connection:
        found = {row[0]: row[1] for row in connection.execute(_COUNTED)}
    engine.dispose()
    return Kept(
        lost=len(sent.acknowledged - found.keys()),
        repeated=sum(found.values()) - len(found),
        stored=len(found),
    )


_COUNTED = select(events.c.event_id, func.count()).group_by(events.c.event_id)


def _call(message_id: str, source: random.Random) -> dict[str, object]:
    return {
        "type": "track",
        "event": source.choice(["page_view", "view_product", "add_to_cart", "form_error"]),
        "messageId": message_id,
        "anonymousId": f"v{source.randrange(400)}",
        "properties": {"product": f"p{source.randrange(99)}", "price": round(source.uniform(5, 90), 2)},
    }
