"""PostHog's exports, on rows written after https://posthog.com/docs/data-pipelines/batch-exports/s3."""

import csv
import json
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
NAMES = EventNames(("page_view", "add_to_cart"), {"added to basket": "add_to_cart"})
PROPERTIES = {
    "$session_id": "s1",
    "$device_id": "d1",
    "$lib": "web",
    "$device_type": "Mobile",
    "$current_url": "https://shop.example/p/1?utm_source=news&fbclid=f1",
    "$pathname": "/p/1",
    "$referring_domain": "$direct",
    "$geoip_country_code": "DE",
    "utm_medium": "email",
    "price": 4.5,
    "tags": ["a", {"b": 1}],
}


def row(event: str = "$pageview", said: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    properties = {name: value for name, value in (PROPERTIES | (said or {})).items() if value is not None}
    return {
        "uuid": "0190",
        "event": event,
        "distinct_id": "d1",
        "person_id": "p9",
        "properties": properties,
        "timestamp": "2024-05-01T10:00:00.000000+00:00",
        "created_at": "2024-05-01T10:00:02.000000+00:00",
    } | changes


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    texts = [{**one, "properties": json.dumps(one["properties"])} for one in rows]
    match path.suffix:
        case ".jsonl":
            path.write_text("".join(json.dumps(one) + "\n" for one in rows))
        case ".parquet":
            pq.write_table(pa.Table.from_pylist(texts), path)
        case _:
            with path.open("w", newline="") as file:
                written = csv.DictWriter(file, list(texts[0]))
                written.writeheader()
                written.writerows(texts)
    return path


@pytest.mark.parametrize("suffix", ["jsonl", "parquet", "csv"])
def test_an_exported_row_becomes_a_canonical_event(tmp_path: Path, suffix: str) -> None:
    assert imported("posthog", write(tmp_path / f"log.{suffix}", [row()]), NAMES) == [
        {
            "event_id": "0190",
            "session_id": "s1",
            "visitor_id": "d1",
            "name": "page_view",
            "occurred_at": TEN_US,
            "received_at": TEN_US + 2_000_000,
            "channel": "email",
            "device": "mobile",
            "source": "news",
            "properties": {
                "price": 4.5,
                "tags": ["a", {"b": 1}],
                "utm_medium": "email",
                "page": "/p/1",
                "url": "https://shop.example/p/1?utm_source=news&fbclid=f1",
                "country": "DE",
                "click_id": "f1",
                "person_id": "p9",
            },
        }
    ]


@pytest.mark.parametrize(
    ("event", "said", "changes", "expected"),
    [
        ("added to basket", {}, {}, {"name": "add_to_cart"}),
        ("Add To Cart", {}, {}, {"name": "add_to_cart"}),
        ("$autocapture", {}, {}, {"name": "$autocapture"}),
        ("$pageleave", {}, {}, {"name": "page_leave"}),
        # At sign-in the user is the distinct id, and who it was until then is told beside it.
        ("$identify", {"$anon_distinct_id": "d1"}, {"distinct_id": "u1"}, {"user_id": "u1", "visitor_id": "d1"}),
        ("view", {"$user_id": "u1"}, {"distinct_id": "u1"}, {"user_id": "u1", "visitor_id": "d1"}),
        ("view", {"$is_identified": True}, {"distinct_id": "u1"}, {"user_id": "u1", "visitor_id": "d1"}),
        ("view", {"$is_identified": False}, {}, {"user_id": None}),
        # A server names users only.
        (
            "paid",
            {"$lib": "posthog-node", "$device_id": None},
            {"distinct_id": "u1"},
            {"user_id": "u1", "visitor_id": "u1"},
        ),
        ("view", {"$device_type": None, "$raw_user_agent": "Mozilla/5.0 (X11; Linux)"}, {}, {"device": "desktop"}),
        ("view", {"$current_url": None, "$referring_domain": "blog.example"}, {}, {"source": "blog.example"}),
        ("view", {"$session_id": None}, {}, {"session_id": None}),
    ],
)
def test_each_column_follows_the_row(
    tmp_path: Path, event: str, said: dict[str, Any], changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    [found] = imported("posthog", write(tmp_path / "log.jsonl", [row(event, said, **changes)]), NAMES)
    assert {name: found.get(name) for name in expected} == expected


def test_what_is_set_about_a_person_comes_along_with_the_sign_in_only(tmp_path: Path) -> None:
    said = {"$set": {"plan": "pro", "price": 1, "$os": "x"}, "$anon_distinct_id": "d1"}
    path = write(tmp_path / "log.jsonl", [row("$identify", said, distinct_id="u1"), row("view", said, uuid="0191")])
    signed_in, view = imported("posthog", path)
    assert (signed_in["properties"]["plan"], signed_in["properties"]["price"]) == ("pro", 1)
    assert signed_in["properties"]["previous_id"] == "d1"
    assert not {"$os", "$set", "plan", "previous_id"} & view["properties"].keys()
    assert view["properties"]["price"] == 4.5


def test_what_cannot_be_used_is_refused_with_its_reason(tmp_path: Path) -> None:
    bad = [row(uuid=None), row(timestamp="later"), row(distinct_id=None, said={"$device_id": None}), row(event="")]
    path = write(tmp_path / "log.jsonl", [row(), *bad])
    assert len(imported("posthog", path)) == 1
    assert refused(path) == [
        "the event id is missing",
        "occurred_at is missing or no time",
        "neither visitor_id nor user_id given",
        "the event name is missing",
    ]


def test_properties_that_are_no_object_leave_what_the_other_columns_say(tmp_path: Path) -> None:
    [found] = imported("posthog", write(tmp_path / "log.jsonl", [row(properties="[1]")]))
    assert (found["visitor_id"], found["properties"]) == ("d1", {"person_id": "p9"})
