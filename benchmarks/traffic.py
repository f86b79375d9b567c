"""A simulated log as real servers would send it: Segment calls, in batches whose visitors are mixed."""

import itertools
import json
import random
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

SERVERS = 64
"""App servers behind one load balancer that is not sticky: each sends its share of everybody's events."""

_AGENTS = {
    "mobile": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.4 Mobile/15E148 Safari/604.1",
    "tablet": "Mozilla/5.0 (iPad; CPU OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4",
    "desktop": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0",
}
_COLUMNS = "event_id, session_id, visitor_id, user_id, name, occurred_at, channel, device, source, campaign, properties"


def batches(log: Path, size: int, seed: int = 1, most_events: int | None = None) -> Iterator[bytes]:
    """Yield bodies for ``POST /v1/batch``: the log's events in the order of their time, dealt to many servers.

    Each server sends when it holds ``size`` events, so a batch holds about as many visitors as events. Message ids are
    made anew from the seed; the times are the log's, moved so that the last event is two minutes old.
    """
    source = random.Random(seed)
    waiting: list[list[bytes]] = [[] for _ in range(SERVERS)]
    for message in messages(log, source, most_events):
        server = source.choice(waiting)
        server.append(message)
        if len(server) == size:
            yield _body(server)
            server.clear()
    yield from (_body(server) for server in waiting if server)


def messages(log: Path, source: random.Random, most_events: int | None = None) -> Iterator[bytes]:
    """Yield each event as the JSON of a track call."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        moved = "now() - INTERVAL 2 MINUTE - max(occurred_at) OVER ()"
        rows = connection.execute(
            f"SELECT {_COLUMNS}, strftime(occurred_at + ({moved}), '%Y-%m-%dT%H:%M:%S.%gZ') AS sent "
            f"FROM read_parquet('{log}/*.parquet') ORDER BY occurred_at, event_id LIMIT {most_events or 2**40}"
        )
        names = [column[0] for column in rows.description]
        for found in itertools.chain.from_iterable(iter(lambda: rows.fetchmany(10_000), [])):
            yield json.dumps(_message(dict(zip(names, found, strict=True)), source), separators=(",", ":")).encode()


def _message(row: dict[str, Any], source: random.Random) -> dict[str, Any]:
    properties = json.loads(row["properties"])
    page = f"/{row['name'].replace('_', '-')}/{properties.get('product', '')}"
    campaign = {"name": row["campaign"], "source": row["source"]} if row["campaign"] else None
    return {
        "type": "track",
        "event": row["name"],
        "messageId": str(uuid.UUID(int=source.getrandbits(128))),
        "anonymousId": row["visitor_id"],
        "userId": row["user_id"],
        "timestamp": row["sent"],
        "originalTimestamp": row["sent"],
        "properties": properties,
        "context": {
            "channel": row["channel"],
            "source": row["source"],
            "campaign": campaign or {},
            "library": {"name": "analytics-python", "version": "2.3.4"},
            "locale": "de-DE",
            "timezone": "Europe/Berlin",
            "userAgent": _AGENTS.get(row["device"], _AGENTS["desktop"]),
            "page": {"path": page, "url": f"https://shop.example{page}", "referrer": "https://search.example/"},
        },
        "integrations": {},
    }


def _body(server: list[bytes]) -> bytes:
    return b'{"batch":[' + b",".join(server) + b'],"sentAt":"2026-03-01T12:30:00.000Z"}'
