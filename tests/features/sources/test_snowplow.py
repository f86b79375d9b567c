"""Snowplow's enriched events, on lines written after https://docs.snowplow.io/docs/pipeline/enriched-tsv-format."""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from imported import imported, refused

from features.friction import Friction
from features.names import EventNames
from features.plan import compile_plan
from features.read_log import read_log
from features.scan import count
from features.sources.shipped import named
from features.sources.snowplow import COLUMNS
from features.table import Feature, FeatureTable, Stage

TEN_US = 1_714_557_600_000_000  # 2024-05-01, ten o'clock
NAMES = EventNames(("page_view", "add_to_cart"), {"add_to_basket": "add_to_cart", "basket": "add_to_cart"})
# The places of some, counted from 1, as the documentation's header has them.
PLACES = {"app_id": 1, "event_id": 7, "domain_userid": 16, "page_url": 30, "contexts": 53, "true_tstamp": 131}

VIEW = {
    "app_id": "shop",
    "platform": "web",
    "collector_tstamp": "2024-05-01 10:00:09.000",
    "dvce_created_tstamp": "2024-05-01 09:00:00.000",
    "dvce_sent_tstamp": "2024-05-01 09:00:08.000",
    "derived_tstamp": "2024-05-01 10:00:00.000",
    "event": "page_view",
    "event_id": "e1",
    "event_name": "page_view",
    "domain_userid": "d1",
    "domain_sessionid": "s1",
    "network_userid": "n1",
    "geo_country": "DE",
    "page_url": "https://shop.example/p/1?utm_source=news&utm_medium=email",
    "page_urlpath": "/p/1",
    "mkt_medium": "email",
    "mkt_source": "news",
    "mkt_campaign": "may",
    "mkt_clickid": "c1",
    "refr_medium": "search",
    "dvce_type": "Computer",
}
UNSTRUCTURED = {
    "schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0",
    "data": {
        "schema": "iglu:com.acme/add_to_basket/jsonschema/1-0-0",
        "data": {"sku": "p1", "price": 4.5, "page": "own"},
    },
}
CONTEXTS = {
    "schema": "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0",
    "data": [
        {"schema": "iglu:com.acme/product/jsonschema/1-0-0", "data": {"sku": "p1"}},
        {
            "schema": "iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2",
            "data": {"userId": "phone", "sessionId": "s9"},
        },
    ],
}


def line(**changes: Any) -> str:
    row = VIEW | changes
    return "\t".join(str(row.get(name, "")) for name in COLUMNS) + "\n"


def read(tmp_path: Path, *lines: str) -> list[dict[str, Any]]:
    (tmp_path / "part-00000.tsv").write_text("".join(lines), encoding="utf-8")
    return imported("snowplow", tmp_path / "part-00000.tsv", NAMES)


def test_a_log_whose_ending_only_the_source_knows_is_read_without_an_import(tmp_path: Path) -> None:
    (tmp_path / "part-00000.tsv").write_text(line() + line(event_id="e2"), encoding="utf-8")
    views = Feature("views", count("page_view"), Friction.NONE, "{:.0f} views")
    table = FeatureTable(("page_view",), (Stage("seen", "page_view"),), (views,))
    with read_log(tmp_path, compile_plan(table), timeout_seconds=1_800, source=named("snowplow")) as log:
        assert log.whole().event_ids.tolist() == ["e1", "e2"]


def test_there_are_131_columns_in_the_documented_order() -> None:
    assert len(COLUMNS) == len(set(COLUMNS)) == 131
    assert {name: COLUMNS.index(name) + 1 for name in PLACES} == PLACES


def test_an_enriched_line_becomes_a_canonical_event(tmp_path: Path) -> None:
    assert read(tmp_path, line()) == [
        {
            "event_id": "e1",
            "session_id": "s1",
            "visitor_id": "d1",
            "name": "page_view",
            "occurred_at": TEN_US,
            "received_at": TEN_US + 9_000_000,
            "channel": "email",
            "device": "desktop",
            "source": "news",
            "campaign": "may",
            "properties": {
                "page": "/p/1",
                "url": "https://shop.example/p/1?utm_source=news&utm_medium=email",
                "country": "DE",
                "click_id": "c1",
            },
        }
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"event": "struct", "event_name": "event", "se_action": "basket"}, {"name": "add_to_cart"}),
        ({"event": "unstruct", "event_name": "add_to_basket"}, {"name": "add_to_cart"}),
        ({"event": "unstruct", "event_name": "", "unstruct_event": json.dumps(UNSTRUCTURED)}, {"name": "add_to_cart"}),
        ({"event": "page_ping", "event_name": "page_ping"}, {"name": "page_ping"}),
        ({"true_tstamp": "2024-05-01 09:59:59"}, {"occurred_at": TEN_US - 1_000_000}),
        # The device's clock is an hour slow, and it sent the event 8 seconds after it had happened.
        ({"derived_tstamp": ""}, {"occurred_at": TEN_US + 1_000_000}),
        ({"derived_tstamp": "", "dvce_sent_tstamp": ""}, {"occurred_at": TEN_US - 3_600_000_000}),
        (dict.fromkeys(("derived_tstamp", "dvce_created_tstamp"), ""), {"occurred_at": TEN_US + 9_000_000}),
        ({"dvce_type": "Mobile"}, {"device": "mobile"}),
        ({"dvce_type": "", "br_type": "Browser (mobile)"}, {"device": "mobile"}),
        ({"dvce_type": "", "useragent": "Mozilla/5.0 (iPad; CPU OS 17_0)"}, {"device": "tablet"}),
        ({"dvce_type": "Unknown", "dvce_ismobile": "1"}, {"device": "mobile"}),
        (
            {"mkt_medium": "", "mkt_source": "", "mkt_campaign": "", "page_url": "", "refr_source": "Google"},
            {"channel": "search", "source": "Google", "campaign": None},
        ),
        ({"mkt_medium": "", "mkt_source": ""}, {"channel": "email", "source": "news"}),
        ({"user_id": "u1"}, {"user_id": "u1", "visitor_id": "d1"}),
        ({"domain_userid": "", "domain_sessionid": ""}, {"visitor_id": "n1", "session_id": None}),
        (
            {"domain_userid": "", "domain_sessionid": "", "contexts": json.dumps(CONTEXTS)},
            {"visitor_id": "phone", "session_id": "s9"},
        ),
    ],
)
def test_each_column_follows_the_line(tmp_path: Path, changes: dict[str, Any], expected: dict[str, Any]) -> None:
    [found] = read(tmp_path, line(**changes))
    assert {name: found.get(name) for name in expected} == expected


def test_an_events_own_data_goes_before_the_columns_and_entities_are_kept(tmp_path: Path) -> None:
    json_columns = {"unstruct_event": json.dumps(UNSTRUCTURED), "contexts": json.dumps(CONTEXTS)}
    [found] = read(tmp_path, line(event="unstruct", page_url="", mkt_clickid="", geo_country="", **json_columns))
    assert found["properties"] == {
        "sku": "p1",
        "price": 4.5,
        "page": "own",
        "contexts": [
            {"name": "product", "data": {"sku": "p1"}},
            {"name": "client_session", "data": {"userId": "phone", "sessionId": "s9"}},
        ],
    }


def test_a_folder_of_packed_parts_is_read_whatever_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "enriched"
    folder.mkdir()
    for number in range(3):
        (folder / f"part-0000{number}.gz").write_bytes(gzip.compress(line(event_id=f"e{number}").encode()))
    assert [one["event_id"] for one in imported("snowplow", folder, NAMES)] == ["e0", "e1", "e2"]


def test_a_line_of_too_few_columns_or_no_event_is_refused(tmp_path: Path) -> None:
    nameless = line(unstruct_event="{no json", event="unstruct", event_name="")
    assert len(read(tmp_path, line(), "shop\tweb\n", line(event_id=""), nameless)) == 1
    assert sorted(refused(tmp_path / "part-00000.tsv")) == [
        "the event id is missing",
        "the event name is missing",
        "the line is no CSV row of the header's columns",
    ]
