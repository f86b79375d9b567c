"""One law: calls that are sent to the service and calls that are imported from a file become the same events."""

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from conftest import NOW_US, OpenClient

from features.import_log import import_log
from features.plan import compile_plan
from features.read_log import read_log
from features.sources.shipped import named
from journeys.journey import Journey
from serving.configuration import Configuration
from serving.keeping import keeping_of
from serving.times import show_time

SECOND = 1_000_000

words = st.sampled_from(
    ["add_to_cart", "Add To Cart", "Product Viewed", "lamp", "mail anna@example.org", "née", '"quoted"', "10.0.0.1"]
)
seconds = st.one_of(st.integers(-9_000, 0), st.integers(-3, 0))
moments = seconds.map(lambda second: show_time(NOW_US + second * SECOND))
addresses = st.sampled_from(
    [
        "https://shop.example/p/1",
        "https://shop.example/?utm_source=news&utm_medium=email&utm_campaign=may",
        "https://shop.example/?gclid=g1#top",
        "?fbclid=f%201",
    ]
)
values = st.one_of(
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([0.5, 1e6]),
    words,
    st.lists(words, max_size=2),
    st.just({"a": 1}),
)
properties = st.fixed_dictionaries(
    {},
    optional={
        "product": values,
        "price": values,
        "query": words,
        "country": words,
        "path": words,
        "url": addresses,
        "search": addresses,
        "undeclared": values,
        "product_id": values,
        "products": st.lists(st.fixed_dictionaries({}, optional={"price": values, "sku": words}), max_size=2),
    },
)
traits = st.fixed_dictionaries({}, optional={"country": words, "plan": words, "product": values})
contexts = st.fixed_dictionaries(
    {},
    optional={
        "consent": st.fixed_dictionaries(
            {"categoryPreferences": st.dictionaries(st.sampled_from(["Analytics", "analytics", "Ads"]), st.booleans())}
        ),
        "channel": words,
        "source": words,
        "userAgent": st.sampled_from(["Mozilla/5.0 (iPhone)", "Mozilla/5.0 (iPad)", "Mozilla/5.0 (X11)", ""]),
        "device": st.one_of(words, st.fixed_dictionaries({}, optional={"type": st.sampled_from(["ios", "Tablet"])})),
        "userAgentData": st.fixed_dictionaries({}, optional={"mobile": st.booleans()}),
        "campaign": st.fixed_dictionaries({}, optional=dict.fromkeys(("source", "medium", "name"), words)),
        "page": st.fixed_dictionaries({}, optional={"url": addresses, "search": addresses}),
        "location": st.fixed_dictionaries({}, optional={"country": words}),
        "country": words,
        "traits": traits,
    },
)
kinds = st.sampled_from(["track", "page", "screen", "identify", "alias", "group"])
calls = st.fixed_dictionaries(
    {"type": kinds, "event": words},
    optional={
        "name": words,
        "category": words,
        "userId": st.sampled_from(["u1", "anna@example.org"]),
        "anonymousId": st.sampled_from(["a1", "a2", ""]),
        "previousId": st.sampled_from(["a1", ""]),
        "groupId": words,
        "properties": properties,
        "traits": traits,
        "context": contexts,
        "channel": words,
        "timestamp": moments,
        "originalTimestamp": moments,
        "sentAt": moments,
    },
)


@pytest.mark.parametrize("settings_of", [{}, {"keep_properties": "*", "hash_user_ids": True}], ids=["default", "all"])
def test_calls_sent_live_and_calls_imported_become_the_same_events(
    open_client: OpenClient, shop: Journey, tmp_path: Path, settings_of: dict[str, Any]
) -> None:
    client, runtime = open_client(**settings_of)
    keeping = keeping_of(Configuration(home=tmp_path, **settings_of), shop)
    numbers = itertools.count()

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(calls, min_size=10, max_size=40))
    def same(drawn: list[dict[str, Any]]) -> None:
        # Whoever was seen in an earlier example is somebody else in this one.
        turn = next(numbers)
        sent = [_told_apart(call, turn, place) for place, call in enumerate(drawn)]
        client.post("/v1/batch", {"batch": sent})
        runtime.log.export(tmp_path / "live.parquet")
        live = {
            name: event for name, event in _events(tmp_path / "live.parquet").items() if name.startswith(f"{turn}-")
        }
        lines = tmp_path / "calls.jsonl"
        lines.write_text("".join(json.dumps(call | {"receivedAt": show_time(NOW_US)}) + "\n" for call in sent))
        if not live:
            return
        import_log(named("segment"), lines, tmp_path / "imported.parquet", keeping=keeping)
        imported = _events(tmp_path / "imported.parquet")
        # The service also refuses what lies in its own future; an import allows a day.
        assert {name: event for name, event in imported.items() if name in live} == live
        assert all(
            imported[name]["occurred_at"].timestamp() * SECOND > NOW_US for name in imported.keys() - live.keys()
        )

    same()


def test_imported_calls_are_cut_into_the_sessions_that_they_had_live(
    open_client: OpenClient, shop: Journey, tmp_path: Path
) -> None:
    client, runtime = open_client()
    sent = [
        {
            "type": "track",
            "event": "view_product",
            "messageId": f"m{number:03d}",
            "anonymousId": f"a{number % 7}",
            "timestamp": show_time(NOW_US - number * 700 * SECOND),
            "receivedAt": show_time(NOW_US),
        }
        for number in range(100)
    ]
    client.post("/v1/batch", {"batch": sent})
    runtime.log.export(tmp_path / "live.parquet")
    (tmp_path / "calls.jsonl").write_text("".join(json.dumps(call) + "\n" for call in sent))
    import_log(
        named("segment"),
        tmp_path / "calls.jsonl",
        tmp_path / "imported.parquet",
        keeping=keeping_of(Configuration(home=tmp_path), shop),
    )
    found = []
    for name in ("live", "imported"):
        with read_log(
            tmp_path / f"{name}.parquet", compile_plan(shop.table), timeout_seconds=shop.session_timeout_seconds
        ) as log:
            whole = log.whole()
            found.append((whole.starts.tolist(), whole.event_ids.tolist(), whole.codes.tolist(), whole.at_us.tolist()))
    assert found[0] == found[1]


def test_an_import_for_a_journey_withholds_those_who_have_not_consented(shop: Journey, tmp_path: Path) -> None:
    call = {"type": "track", "event": "view_product", "anonymousId": "a", "timestamp": show_time(NOW_US)}
    said = [True, False, None, "true"]
    lines = [
        call | {"messageId": str(number), "properties": {} if consent is None else {"consent": consent}}
        for number, consent in enumerate(said)
    ]
    (tmp_path / "calls.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    for required, kept in ((False, ["0", "2", "3"]), (True, ["0"])):
        import_log(
            named("segment"),
            tmp_path / "calls.jsonl",
            tmp_path / "out.parquet",
            keeping=keeping_of(Configuration(home=tmp_path, consent_required=required), shop),
            quarantine=tmp_path / "refused.jsonl",
        )
        assert sorted(_events(tmp_path / "out.parquet")) == kept
        refused = [json.loads(line) for line in (tmp_path / "refused.jsonl").read_text().splitlines()]
        assert {(one["reason"], one.get("content")) for one in refused} == {("the visitor has not consented", None)}


def test_a_row_that_is_refused_for_another_reason_leaves_no_content_without_consent(
    shop: Journey, tmp_path: Path
) -> None:
    good = {"type": "track", "event": "a", "anonymousId": "a", "messageId": "0", "timestamp": show_time(NOW_US)}
    good["properties"] = {"consent": True}
    bad = [
        {"type": "track", "event": "a", "anonymousId": "a", "timestamp": "?", "properties": {"consent": said}}
        for said in (True, False, None)
    ]
    (tmp_path / "calls.jsonl").write_text("".join(json.dumps(one) + "\n" for one in (good, *bad)))
    for required, kept in ((False, 2), (True, 1)):
        import_log(
            named("segment"),
            tmp_path / "calls.jsonl",
            tmp_path / "out.parquet",
            keeping=keeping_of(Configuration(home=tmp_path, consent_required=required), shop),
            quarantine=tmp_path / "refused.jsonl",
        )
        refused = [json.loads(line) for line in (tmp_path / "refused.jsonl").read_text().splitlines()]
        assert len(refused) == 3
        assert sum(one.get("content") is not None for one in refused) == kept


def test_no_hashed_user_id_is_in_what_a_row_of_a_user_alone_becomes(shop: Journey, tmp_path: Path) -> None:
    rows = [
        {"event_name": name, "event_timestamp": NOW_US, "user_id": "account-4711", "user_properties": [{"key": "plan"}]}
        for name in ("add_to_cart", None)
    ]
    (tmp_path / "export.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    keeping = keeping_of(Configuration(home=tmp_path, hash_user_ids=True, keep_properties="*"), shop)
    refused = tmp_path / "refused.jsonl"
    import_log(named("ga4"), tmp_path / "export.jsonl", tmp_path / "out.parquet", keeping=keeping, quarantine=refused)
    (event,) = _events(tmp_path / "out.parquet").values()
    assert event["visitor_id"] == event["user_id"]
    assert "account-4711" not in repr(event) + refused.read_text()
    assert "user_properties" not in refused.read_text()


def test_of_a_refused_row_no_more_is_kept_than_the_service_keeps(shop: Journey, tmp_path: Path) -> None:
    lines = [
        {"type": "track", "event": "view_product", "anonymousId": "a", "messageId": "1", "timestamp": "2026-02-01"},
        {"type": "track", "event": "x", "messageId": "2", "traits": {"email": "anna@example.org"}, "timestamp": "?"},
    ]
    (tmp_path / "calls.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines) + "anna@example.org\n")
    import_log(
        named("segment"),
        tmp_path / "calls.jsonl",
        tmp_path / "out.parquet",
        keeping=keeping_of(Configuration(home=tmp_path), shop),
        quarantine=tmp_path / "refused.jsonl",
    )
    kept = (tmp_path / "refused.jsonl").read_text()
    assert kept.count("\n") == 2
    assert "anna" not in kept


def _told_apart(call: dict[str, Any], turn: int, place: int) -> dict[str, Any]:
    named_ids = {name: f"{turn}{call[name]}" for name in ("anonymousId", "previousId") if call.get(name)}
    return call | named_ids | {"messageId": f"{turn}-{place:03d}"}


def _events(path: Path) -> dict[str, dict[str, Any]]:
    """Events by id; a session that was derived live is none."""
    return {
        row["event_id"]: {
            **row,
            "properties": json.loads(row["properties"] or "{}"),
            "session_id": None if "~" in (row["session_id"] or "~") else row["session_id"],
        }
        for row in pq.read_table(path).to_pylist()
    }
