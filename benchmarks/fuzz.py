"""Mutated payloads of every protocol against the parsers and the service: anything is kept or refused with a 4xx.

python -m benchmarks.fuzz                       # 100,000 cases, some minutes
python -m benchmarks.fuzz --cases 2000 --seed 7

Real payloads are damaged as networks, proxies and attackers damage them: bytes are flipped, cut, doubled and swapped
for awkward ones, members of JSON are replaced by values of another type or depth, texts grow, and bodies are packed and
cut. Every case goes through the whole service in this process: parse, admit, place, commit. An exception, an answer of
5xx or a refusal without a reason ends the run with the case that made it, to be looked at again with ``--only``; at the
end every event that was accepted must be one that training reads.
"""

import argparse
import asyncio
import base64
import gzip
import json
import random
import shutil
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import urlencode

import httpx
from starlette.applications import Starlette

from features.read_log import read_log
from serving.app import attach, create_app
from serving.configuration import Configuration
from serving.open_runtime import open_runtime
from serving.runtime import Runtime
from serving.start import find_source, load_model

AWKWARD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**40,
    1e308,
    -0.0,
    "",
    "\x00",
    "\ud800",
    "\u202e",
    "a" * 300,
    "9" * 400,
    "1970-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "0000-00-00",
    [],
    {},
    [[[[]]]],
    {"": {"": None}},
)
"""Values that parsers have stumbled over."""
_BYTES = (
    *(b"\x00", b"\xff", b"\\u0000", b"\\ud800", b'"', b"{", b"["),
    *(b"NaN", b"1e999", b"%00", b"\xed\xa0\x80", b"\r\n"),
)
_DEEPEST = 400
_MOST_TOGETHER = 8


@dataclass(frozen=True, slots=True)
class Case:
    """One request."""

    number: int
    method: str
    address: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """What became of all cases: how many had each status, by address; the events kept; and how long it took."""

    statuses: Mapping[str, Counter[int]]
    events: int
    seconds: float


class Failure(Exception):
    """A case that was neither kept nor refused."""


def cases(count: int, seed: int) -> Iterator[Case]:
    """Return as many damaged requests; each depends on the seed and its own number only."""
    for number in range(count):
        source = random.Random(f"{seed} {number}")
        protocol = source.choice([*PAYLOADS])
        yield _case(number, protocol, source)


def run(home: Path, count: int, seed: int, only: int | None = None) -> Found:
    """Send the cases to a service with the champion under ``home`` and a database of its own.

    Raises :class:`Failure` for the first that is neither kept nor refused.
    """
    with tempfile.TemporaryDirectory(prefix="dropoff-fuzz-") as folder:
        copied = Path(folder) / "home"
        shutil.copytree(home / "models", copied / "models")
        configuration = Configuration(journey="ecommerce", home=copied)
        source = find_source(configuration)
        runtime = open_runtime(configuration, source.journey, load_model(source))
        app = create_app()
        attach(app, runtime)
        try:
            chosen = [case for case in cases(count, seed) if only is None or case.number == only]
            start = perf_counter()
            statuses = asyncio.run(send(app, chosen))
            seconds = perf_counter() - start
            return Found(statuses, _read_again(runtime, Path(folder)), seconds)
        finally:
            runtime.close()


def _read_again(runtime: Runtime, folder: Path) -> int:
    """Return how many events were kept; raises :class:`Failure` unless training can read every one."""
    written = folder / "log.parquet"
    kept = runtime.log.export(written)
    with read_log(written, runtime.plan, timeout_seconds=runtime.journey.session_timeout_seconds) as read:
        if read.summary.used != kept:
            raise Failure(f"not every one of the {kept:,} events that were kept can be read: {read.summary.describe()}")
    return kept


async def send(app: Starlette, chosen: list[Case]) -> dict[str, Counter[int]]:
    """Send cases to an application and return how many had each status, by address; raises :class:`Failure`."""
    statuses: dict[str, Counter[int]] = {}
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        for first in range(0, len(chosen), _MOST_TOGETHER):
            together = chosen[first : first + _MOST_TOGETHER]
            for case, status in zip(
                together, await asyncio.gather(*(_ask(client, one) for one in together)), strict=True
            ):
                statuses.setdefault(case.address.partition("?")[0], Counter())[status] += 1
    return statuses


async def _ask(client: httpx.AsyncClient, case: Case) -> int:
    try:
        answer = await client.request(case.method, case.address, content=case.body, headers=case.headers)
    except Exception as error:
        raise Failure(f"{case} made the service fail: {error!r}") from error
    if answer.status_code >= 500:
        raise Failure(f"{case} was answered with {answer.status_code}: {answer.text[:200]}")
    if answer.status_code >= 400 and set(answer.json()) != {"error"}:
        raise Failure(f"{case} was refused without a reason: {answer.text[:200]}")
    return answer.status_code


def _case(number: int, protocol: str, source: random.Random) -> Case:
    method, address, payload = PAYLOADS[protocol](source)
    if method == "GET":
        pairs = {name: value for name, value in _mutated(payload, source).items() if value is not None}
        query = urlencode({name: str(value).encode("utf-8", "surrogatepass") for name, value in pairs.items()})
        return Case(number, method, f"{address}?{query[:8_000]}", b"", {})
    body = _encoded(_mutated(payload, source), source)
    if source.random() < 0.5:
        body = _damaged(body, source)
    headers = {"content-type": source.choice(["application/json", "text/plain"])}
    if source.random() < 0.3:
        name = source.choice(["gzip", "deflate", "br", "gzip, gzip"])
        packed = gzip.compress(body, 1, mtime=0) if name == "gzip" else zlib.compress(body, 1)
        body = _damaged(packed, source) if source.random() < 0.4 else packed
        headers["content-encoding"] = name
    return Case(number, method, address, body, headers)


def _mutated(payload: dict[str, Any], source: random.Random) -> dict[str, Any]:
    """Return a payload of which some members have other values, or have moved."""
    mutated = json.loads(json.dumps(payload))
    for _ in range(source.choice([0, 1, 1, 2, 4])):
        places = list(_places(mutated))
        if not places:
            break
        parent, key = source.choice(places)
        match source.randrange(6):
            case 0:
                parent[key] = deepcopy(source.choice(AWKWARD))
            case 1:
                parent[key] = {source.choice(["id", "data", "\x00", "a" * 300]): parent[key]}
            case 2:
                parent[key] = [deepcopy(parent[key]) for _ in range(source.choice([1, 2, 50]))]
            case 3:
                parent[key] = str(parent[key]) * source.choice([1, 3, 200])
            case 4:
                parent[key] = _deep(source.randrange(_DEEPEST))
            case _ if isinstance(parent, dict):
                del parent[key]
    return mutated if isinstance(mutated, dict) else payload


def _places(value: Any, levels: int = 30) -> Iterator[tuple[Any, Any]]:
    """Yield every object or list with each of its keys, down to so many levels."""
    for key, one in list(value.items()) if isinstance(value, dict) else list(enumerate(value)):
        yield value, key
        if isinstance(one, dict | list) and levels:
            yield from _places(one, levels - 1)


def _deep(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


def _encoded(payload: dict[str, Any], source: random.Random) -> bytes:
    text = json.dumps(payload, ensure_ascii=source.random() < 0.5)
    return text.encode("utf-8", "surrogatepass")


def _damaged(body: bytes, source: random.Random) -> bytes:
    """Return bytes of which some are lost, doubled, flipped or replaced."""
    damaged = bytearray(body)
    for _ in range(source.choice([1, 1, 2, 8])):
        at = source.randrange(len(damaged) + 1)
        match source.randrange(5):
            case 0:
                del damaged[at:]
            case 1:
                del damaged[at : at + source.randrange(1, 20)]
            case 2 if at < len(damaged):
                damaged[at] ^= 1 << source.randrange(8)
            case 3:
                damaged[at:at] = source.choice(_BYTES) * source.choice([1, 1, 200])
            case _:
                damaged[at:at] = damaged[: source.randrange(len(damaged) + 1)]
    return bytes(damaged)


def _call(source: random.Random) -> dict[str, Any]:
    kind = source.choice(["track", "page", "screen", "identify", "alias", "group"])
    return {
        "type": kind,
        "messageId": f"m{source.randrange(5_000)}",
        "anonymousId": f"v{source.randrange(50)}",
        "userId": source.choice([None, "u1", 7]),
        "previousId": "v0",
        "groupId": "g",
        "event": source.choice(["Product Added", "add_to_cart", "Order Completed", "odd"]),
        "name": "Lamps",
        "timestamp": source.choice(["2026-03-01T12:29:00.123Z", 1_772_368_140, 1_772_368_140_000]),
        "originalTimestamp": source.choice([None, "2026-03-01T12:29:00+01:00"]),
        "sentAt": "2026-03-01T12:29:01Z",
        "properties": {
            "product_id": "lamp",
            "price": 59.0,
            "products": [{"product_id": "a", "price": 1}],
            "path": "/a",
        },
        "traits": {"plan": "pro", "email": "someone@example.org"},
        "integrations": {"All": True},
        "_metadata": {"bundled": ["Segment.io"]},
        "context": {
            "sessionId": source.choice([1_772_368_000, "s1", None]),
            "library": {"name": "analytics.js", "version": "next-1.84.3"},
            "page": {"path": "/a", "search": "?utm_source=letter&gclid=G1", "url": "https://shop.example/a?gclid=G1"},
            "campaign": {"source": "letter", "name": "spring", "medium": "email"},
            "userAgent": "Mozilla/5.0 (iPhone) Mobile",
            "userAgentData": {"mobile": True, "brands": [{"brand": "Chromium", "version": "140"}]},
            "screen": {"width": 390, "height": 844},
            "device": {"type": "ios"},
            "location": {"country": "DE"},
            "traits": {"plan": "pro"},
        },
    }


def _segment_call(source: random.Random) -> tuple[str, str, dict[str, Any]]:
    call = _call(source)
    return "POST", f"/v1/{call['type']}", call


def _segment_batch(source: random.Random) -> tuple[str, str, dict[str, Any]]:
    batch = {"batch": [_call(source) for _ in range(source.randrange(1, 5))], "sentAt": "2026-03-01T12:29:01Z"}
    address = source.choice(["/v1/batch", "/v1/b", "/beacon/v1/batch?writeKey=KEY"])
    return "POST", address, {**batch, "writeKey": "KEY", "context": {"ip": "192.0.2.1"}}


def _self_describing(name: str, data: Any) -> dict[str, Any]:
    return {"schema": f"iglu:com.snowplowanalytics.snowplow/{name}/jsonschema/1-0-0", "data": data}


def _fields(source: random.Random) -> dict[str, Any]:
    described = _self_describing("unstruct_event", _self_describing("add_to_cart", {"sku": "lamp", "unitPrice": 59.0}))
    entities = _self_describing("contexts", [_self_describing("product", {"id": "lamp"})])
    inner = _damaged if source.random() < 0.3 else lambda content, _: content
    packed = [inner(json.dumps(one).encode(), source) for one in (described, entities)]
    return {
        "e": source.choice(["pv", "pp", "se", "ue", "tr", "ti"]),
        "eid": f"e{source.randrange(5_000)}",
        "duid": f"v{source.randrange(50)}",
        "sid": "s1",
        "uid": "u1",
        "p": source.choice(["web", "mob", "srv"]),
        "ua": "Mozilla/5.0 (iPhone)",
        "url": "https://shop.example/lamps?utm_source=letter&gclid=G1",
        "page": "Lamps",
        "dtm": "1772368140000",
        "stm": "1772368141000",
        "ttm": source.choice([None, "1772368140000"]),
        "se_ca": "shop",
        "se_ac": "add_to_cart",
        "se_va": "2.5",
        "tr_id": "o1",
        "tr_tt": "20",
        "ti_sk": "lamp",
        "ti_pr": "20",
        "pp_may": "750",
        "ue_px": base64.urlsafe_b64encode(packed[0]).decode(),
        "cx": base64.urlsafe_b64encode(packed[1]).decode(),
    }


def _snowplow_post(source: random.Random) -> tuple[str, str, dict[str, Any]]:
    data = [_fields(source) for _ in range(source.randrange(1, 4))]
    schema = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"
    return "POST", "/com.snowplowanalytics.snowplow/tp2", {"schema": schema, "data": data}


def _snowplow_pixel(source: random.Random) -> tuple[str, str, dict[str, Any]]:
    return "GET", "/i", _fields(source)


def _google(source: random.Random) -> tuple[str, str, dict[str, Any]]:
    params = {
        "session_id": source.choice(["1772368000", 1_772_368_000]),
        "engagement_time_msec": 100,
        "value": 59.0,
        "items": [{"item_id": "lamp", "price": 59.0, "quantity": 1}],
        "page_location": "https://shop.example/lamps?utm_source=letter",
    }
    names = ("view_item", "add_to_cart", "purchase", "page_view")
    events = [{"name": source.choice(names), "params": params} for _ in range(source.randrange(1, 4))]
    request = {
        "client_id": f"v{source.randrange(50)}",
        "user_id": "u1",
        "timestamp_micros": 1_772_368_140_000_000,
        "user_properties": {"tier": {"value": "gold"}},
        "user_location": {"country_id": "DE"},
        "device": {"category": "mobile"},
        "consent": {"ad_user_data": "GRANTED"},
        "events": events,
    }
    return "POST", source.choice(["/mp/collect?api_secret=x", "/debug/mp/collect"]), request


def _segment_pixel(source: random.Random) -> tuple[str, str, dict[str, Any]]:
    call = _encoded(_mutated(_call(source), source), source)
    packed = _damaged(call, source) if source.random() < 0.3 else call
    return (
        "GET",
        f"/v1/pixel/{source.choice(['track', 'page', 'nothing'])}",
        {"data": base64.b64encode(packed).decode()},
    )


PAYLOADS: Mapping[str, Callable[[random.Random], tuple[str, str, dict[str, Any]]]] = {
    "segment call": _segment_call,
    "segment batch": _segment_batch,
    "segment pixel": _segment_pixel,
    "snowplow post": _snowplow_post,
    "snowplow pixel": _snowplow_pixel,
    "ga4": _google,
}
"""Method, address and undamaged payload of each protocol."""


def main() -> None:
    """Run as many cases as are asked for and show what became of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="folder with a champion of the shop; it is only read")
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="the number of the one case to send")
    arguments = parser.parse_args()
    found = run(arguments.home, arguments.cases, arguments.seed, arguments.only)
    for address, counted in sorted(found.statuses.items()):
        print(f"{address}: {', '.join(f'{count:,} x {status}' for status, count in sorted(counted.items()))}")
    total = sum(sum(counted.values()) for counted in found.statuses.values())
    print(f"{total:,} cases in {found.seconds:.0f} s, {found.events:,} events kept: none failed")


if __name__ == "__main__":
    main()
