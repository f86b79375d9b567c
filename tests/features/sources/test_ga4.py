"""Google Analytics 4's export to BigQuery, on rows written after https://support.google.com/analytics/answer/7029846."""

import json
import random
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from imported import imported, refused

from features.names import EventNames

TEN_US = 1_714_557_600_000_000  # 2024-05-01, ten o'clock
NAMES = EventNames(("page_view", "view_product", "purchase"), {"view_item": "view_product"})


def parameter(key: str, value: str | int | float) -> dict[str, Any]:
    kinds = {str: "string_value", int: "int_value", float: "double_value"}
    return {"key": key, "value": {kinds[type(value)]: value}}


def row(name: str = "page_view", at_us: int = TEN_US, **changes: Any) -> dict[str, Any]:
    return {
        "event_date": "20240501",
        "event_timestamp": at_us,
        "event_name": name,
        "event_params": [
            parameter("ga_session_id", 1714557590),
            parameter(
                "page_location", "https://shop.example/?utm_source=news&utm_medium=email&utm_campaign=may&gclid=g1"
            ),
            parameter("engagement_time_msec", 120),
            parameter("scroll", 0.25),
        ],
        "user_pseudo_id": "55.77",
        "user_id": None,
        "device": {"category": "desktop", "language": "de"},
        "geo": {"country": "Germany"},
        "traffic_source": {"name": "(direct)", "medium": "(none)", "source": "(direct)"},
        "collected_traffic_source": {"manual_source": None, "manual_medium": None, "gclid": None},
        "batch_page_id": 1714557590000,
        "batch_ordering_id": 1,
        "batch_event_index": 1,
        "items": [],
    } | changes


def as_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as BigQuery writes JSON: whole numbers are texts, and nulls are left out."""
    path.write_text("".join(json.dumps(_exported(one)) + "\n" for one in rows))
    return path


def _exported(value: Any) -> Any:
    match value:
        case dict():
            return {name: _exported(one) for name, one in value.items() if one is not None}
        case list():
            return [_exported(one) for one in value]
        case bool() | float() | str():
            return value
        case _:
            return str(value)


KINDS = {
    "string_value": pa.string(),
    "int_value": pa.int64(),
    "float_value": pa.float64(),
    "double_value": pa.float64(),
}
VALUE = pa.struct([*KINDS.items(), ("int_value", pa.int64())])
SCHEMA = pa.schema(
    [
        ("event_date", pa.string()),
        ("event_timestamp", pa.int64()),
        ("event_name", pa.string()),
        ("event_params", pa.list_(pa.struct([("key", pa.string()), ("value", VALUE)]))),
        ("user_pseudo_id", pa.string()),
        ("user_id", pa.string()),
        ("device", pa.struct([("category", pa.string()), ("language", pa.string())])),
        ("geo", pa.struct([("country", pa.string())])),
        ("traffic_source", pa.struct([("name", pa.string()), ("medium", pa.string()), ("source", pa.string())])),
        (
            "collected_traffic_source",
            pa.struct([("manual_source", pa.string()), ("manual_medium", pa.string()), ("gclid", pa.string())]),
        ),
        ("batch_page_id", pa.int64()),
        ("batch_ordering_id", pa.int64()),
        ("batch_event_index", pa.int64()),
        ("items", pa.list_(pa.struct([("item_id", pa.string()), ("price", pa.float64())]))),
        ("ecommerce", pa.struct([("purchase_revenue", pa.float64()), ("transaction_id", pa.string())])),
    ]
)


def as_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), path)
    return path


BUY = row(
    "purchase",
    TEN_US + 5,
    event_params=[parameter("ga_session_id", 1714557590), parameter("value", 12)],
    ecommerce={"purchase_revenue": 12.5, "transaction_id": "t1"},
    items=[{"item_id": "p1", "price": 12.5}],
    user_id="u1",
)


@pytest.mark.parametrize("write", [as_lines, as_parquet])
def test_an_exported_row_becomes_a_canonical_event(tmp_path: Path, write: Any) -> None:
    path = write(tmp_path / ("log.jsonl" if write is as_lines else "log.parquet"), [row(), BUY])
    view, buy = imported("ga4", path, NAMES)
    assert {name: view[name] for name in view if name not in ("properties", "event_id")} == {
        "session_id": "55.77.1714557590",
        "visitor_id": "55.77",
        "name": "page_view",
        "occurred_at": TEN_US,
        "channel": "email",
        "device": "desktop",
        "source": "news",
        "campaign": "may",
    }
    assert view["properties"] == {
        "ga_session_id": 1714557590,
        "page_location": "https://shop.example/?utm_source=news&utm_medium=email&utm_campaign=may&gclid=g1",
        "engagement_time_msec": 120,
        "scroll": 0.25,
        "country": "Germany",
        "click_id": "g1",
        "page": "/",
    }
    assert (buy["user_id"], buy["name"]) == ("u1", "purchase")
    assert buy["properties"] == {
        "ga_session_id": 1714557590,
        "value": 12,
        "revenue": 12.5,
        "transaction_id": "t1",
        "items": [{"item_id": "p1", "price": 12.5}],
        "country": "Germany",
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "view_item"}, {"name": "view_product"}),
        ({"name": "Page View"}, {"name": "page_view"}),
        ({"name": "scroll_deep"}, {"name": "scroll_deep"}),
        ({"device": {"category": "tablet"}}, {"device": "tablet"}),
        (
            {"collected_traffic_source": {"manual_source": "google", "manual_medium": "cpc"}},
            {"source": "google", "channel": "cpc", "campaign": "may"},
        ),
        # Whom the very first visit came from says nothing about a later one.
        ({"event_params": [], "traffic_source": {"source": "bing", "medium": "organic"}}, {"source": None}),
        (
            {"name": "first_visit", "event_params": [], "traffic_source": {"source": "bing", "medium": "organic"}},
            {"source": "bing", "channel": "organic", "campaign": None},
        ),
        ({"event_params": [parameter("source", "(direct)")]}, {"source": None, "session_id": None}),
        ({"user_pseudo_id": None, "user_id": "u1"}, {"visitor_id": "u1", "user_id": "u1"}),
        ({"event_params": "none"}, {"properties": {"country": "Germany"}}),
    ],
)
def test_each_column_follows_the_row(tmp_path: Path, changes: dict[str, Any], expected: dict[str, Any]) -> None:
    [found] = imported("ga4", as_lines(tmp_path / "log.jsonl", [row(**changes)]), NAMES)
    assert {name: found.get(name) for name in expected} == expected


def test_events_of_one_microsecond_keep_the_order_of_page_request_and_place(tmp_path: Path) -> None:
    places = [(9, 1, 1), (9, 1, 2), (9, 2, 1), (9, 10, 1), (10, 1, 1)]
    rows = [
        row(batch_page_id=page, batch_ordering_id=request, batch_event_index=index) for page, request, index in places
    ]
    random.Random(1).shuffle(rows)
    found = sorted(imported("ga4", as_lines(tmp_path / "log.jsonl", rows)), key=lambda one: one["event_id"].encode())
    assert [one["event_id"].split(".")[-4:-1] for one in found] == [
        [f"{page:016d}", f"{request:09d}", f"{index:09d}"] for page, request, index in places
    ]
    # The same rows in another file are the same events.
    again = imported("ga4", as_lines(tmp_path / "again.jsonl", list(reversed(rows))))
    assert {one["event_id"] for one in again} == {one["event_id"] for one in found}


def test_without_places_ties_keep_the_order_of_the_file(tmp_path: Path) -> None:
    absent = dict.fromkeys(("batch_page_id", "batch_ordering_id", "batch_event_index"))
    rows = [row(f"step_{number}", **absent) for number in range(12)]
    found = imported("ga4", as_lines(tmp_path / "log.jsonl", rows))
    found.sort(key=lambda one: one["event_id"].encode())
    assert [one["name"] for one in found] == [f"step_{number}" for number in range(12)]


def test_what_cannot_be_used_is_refused_with_its_reason(tmp_path: Path) -> None:
    rows = [
        row(),
        row(event_timestamp="soon"),
        row(user_pseudo_id=None),
        row(event_name=None),
        row(event_name={"a": 1}),
    ]
    path = as_lines(tmp_path / "log.jsonl", rows)
    assert len(imported("ga4", path)) == 1
    assert refused(path) == [
        "occurred_at is missing or no time",
        "neither visitor_id nor user_id given",
        "the event name is missing",
        "a name or an id is a list or an object",
    ]
