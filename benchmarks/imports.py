"""Imports: rows a second of each source, as it is and for a journey, and the most memory that the process took.

    python -m benchmarks imports

Rows are made in each vendor's schema, a thousand different ones again and again under ids of their own.
"""

import json
import resource
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.report import Figure, Report
from features.import_log import import_log
from features.keeping import Keeping
from features.sources.shipped import named
from features.sources.snowplow import COLUMNS
from journeys.load import load_journey
from serving.configuration import Configuration
from serving.keeping import keeping_of

ROWS = 200_000
_START = 1_772_368_200  # 2026-03-01T12:30:00Z
_DIFFERENT = 1_000


def run(rows: int = ROWS) -> Report:
    """Import made rows of every source, and report how fast that went."""
    figures = []
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder = Path(name)
        keeping = keeping_of(Configuration(home=folder), load_journey("ecommerce"))
        for source, (ending, line) in _LINES.items():
            path = folder / f"{source}{ending}"
            _write(path, (line(number % _DIFFERENT, number) for number in range(rows)))
            for how, rules in (("as it is", None), ("for a journey", keeping)):
                seconds = _time(source, path, folder / "out.parquet", rules)
                figures.append(Figure(f"{source}, {how}: rows a second", f"{rows / seconds:,.0f}"))
            path.unlink()
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
        figures.append(Figure("most memory of the process", f"{peak_mb:,.0f} MB"))
    return Report(f"Imports, {rows:,} rows each", "python -m benchmarks imports", figures)


def _time(source: str, path: Path, out: Path, keeping: Keeping | None) -> float:
    begun = perf_counter()
    import_log(named(source), path, out, keeping=keeping)
    return perf_counter() - begun


def _write(path: Path, lines: Iterator[str]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)


def _segment(kind: int, number: int) -> str:
    call: dict[str, Any] = {
        "type": "page" if kind % 3 else "track",
        "event": "Product Viewed",
        "messageId": f"m{number}",
        "anonymousId": f"a{number // 20}",
        "timestamp": _time_text(number),
        "sentAt": _time_text(number + 1),
        "receivedAt": _time_text(number + 60),
        "properties": {"product_id": f"p{kind}", "price": kind / 7, "path": f"/p/{kind}", "title": "A product"},
        "context": {
            "userAgent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Mobile/15E148",
            "page": {"url": f"https://shop.example/p/{kind}?utm_source=news", "path": f"/p/{kind}"},
            "locale": "de-DE",
        },
    }
    return json.dumps(call)


def _ga4(kind: int, number: int) -> str:
    said = {
        "ga_session_id": {"int_value": str(_START)},
        "page_location": {"string_value": f"https://shop.example/{kind}"},
    }
    said |= {f"parameter_{place}": {"string_value": f"value {kind}"} for place in range(8)}
    row = {
        "event_name": "view_item",
        "event_timestamp": str((_START + number) * 1_000_000),
        "event_params": [{"key": key, "value": value} for key, value in said.items()],
        "user_pseudo_id": f"{number // 20}.1",
        "device": {"category": "mobile"},
        "geo": {"country": "Germany"},
        "batch_event_index": "1",
        "items": [{"item_id": f"p{kind}", "price": kind / 7}],
    }
    return json.dumps(row)


def _snowplow(kind: int, number: int) -> str:
    said = {
        "event": "page_view",
        "event_name": "page_view",
        "event_id": f"e{number}",
        "collector_tstamp": _time_text(number),
        "derived_tstamp": _time_text(number),
        "domain_userid": f"d{number // 20}",
        "page_url": f"https://shop.example/p/{kind}?utm_source=news",
        "page_urlpath": f"/p/{kind}",
        "dvce_type": "Computer",
        "useragent": "Mozilla/5.0 (X11; Linux x86_64)",
    }
    return "\t".join(said.get(name, "") for name in COLUMNS)


def _posthog(kind: int, number: int) -> str:
    said: dict[str, Any] = {"$device_id": f"d{number // 20}", "$current_url": f"https://shop.example/p/{kind}"}
    said |= {"$lib": "web", "$device_type": "Mobile", "price": kind / 7, "product": f"p{kind}"}
    said |= {f"$initial_{place}": f"value {kind}" for place in range(20)}
    row = {
        "uuid": f"u{number}",
        "event": "$pageview",
        "distinct_id": f"d{number // 20}",
        "timestamp": _time_text(number),
        "properties": said,
    }
    return json.dumps(row)


def _time_text(seconds: int) -> str:
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return f"2026-03-{1 + days % 28:02d}T{hour:02d}:{minute:02d}:{second:02d}Z"


_LINES: Mapping[str, tuple[str, Callable[[int, int], str]]] = {
    "segment": (".jsonl", _segment),
    "ga4": (".jsonl", _ga4),
    "snowplow": (".tsv", _snowplow),
    "posthog": (".jsonl", _posthog),
}
