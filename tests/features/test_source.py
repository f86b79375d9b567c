"""Sources: each shipped one on a small file written by hand, column mappings, and what is said about wrong ones."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from small_logs import TEN_US, event, read, small_plan, write_lines, write_parquet

from features.friction import Friction
from features.log_files import LogError
from features.plan import Plan, compile_plan
from features.scan import category, key, last, prop
from features.source import CANONICAL_COLUMNS, Source, SourceError
from features.sources.mapping import column_mapping
from features.sources.shipped import SHIPPED, named
from features.sql_functions import create_functions
from features.table import Feature, FeatureTable, Stage


@pytest.fixture(scope="module")
def plan() -> Plan:
    return small_plan()


@pytest.mark.parametrize("source", SHIPPED, ids=lambda source: source.name)
def test_a_shipped_source_is_found_by_name_and_refers_to_its_own_fields_only(source: Source) -> None:
    assert named(source.name) is source
    assert set(source.columns) <= set(CANONICAL_COLUMNS)
    assert {"name", "occurred_at"} <= set(source.columns)
    assert set(source.required) <= set(source.fields)
    # Over a table with exactly its fields, every expression can be evaluated, and each field is read by one.
    expressions = [*source.columns.values(), *source.properties.values()]
    steps = "".join(f", {step} AS {name}" for name, step in source.steps.items())

    def evaluate(fields: Iterable[str], expressions: Iterable[str]) -> None:
        empty = ", ".join(f'NULL::VARCHAR AS "{name}"' for name in fields)
        connection.execute(
            f"SELECT {', '.join(expressions)} FROM (SELECT *{steps} FROM (SELECT {empty}, 1 AS position))"
        )

    with duckdb.connect() as connection:
        create_functions(connection, None)
        for expression in expressions:
            evaluate(source.fields, [expression])
        for field in source.fields:
            with pytest.raises(duckdb.BinderException):
                evaluate((name for name in source.fields if name != field), expressions)


LOANS = [
    # Two applications whose rows are interleaved; the second and third row share their time, the start comes first.
    ("7", 20_000, "2011-10-01T00:38:44.546+02:00", "A_SUBMITTED", "COMPLETE", 112),
    ("7", 20_000, "2011-10-01T00:38:45.000+02:00", "W_Afhandelen leads", "START", 112),
    ("7", 20_000, "2011-10-01T00:38:45.000+02:00", "W_Afhandelen leads", "COMPLETE", None),
    ("8", 5_000, "2011-10-01T00:40:00.000+02:00", "A_SUBMITTED", "COMPLETE", 10_862),
    ("7", 20_000, "2011-10-01T00:41:00.000+02:00", "O_SENT_BACK", "COMPLETE", 10_862),
]
LOAN_COLUMNS = ("case_id", "amount_req", "timestamp", "activity", "lifecycle", "resource")


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_the_loan_log_becomes_cases_with_named_steps(tmp_path: Path, suffix: str) -> None:
    features = (
        Feature("amount", last(prop("amount_requested")), Friction.NONE, "{:.0f} euros"),
        Feature("automatic", last(prop("automatic")), Friction.NONE, "{:.0f}"),
        Feature("resource", last(key("resource")), Friction.NONE, "who handles it"),
    )
    names = ("a_submitted", "w_afhandelen_leads_start", "w_afhandelen_leads_complete", "o_sent_back")
    plan = compile_plan(FeatureTable(names, (Stage("applied", "a_submitted"),), features))
    rows = [dict(zip(LOAN_COLUMNS, row, strict=True)) for row in LOANS]
    lines = write_lines(tmp_path / "loans.jsonl", rows)
    if suffix != "jsonl":
        options = "FORMAT csv, HEADER" if suffix == "csv" else "FORMAT parquet"
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            reader = (
                f"read_json('{lines}', columns={{case_id: 'VARCHAR', amount_req: 'DOUBLE', timestamp: 'TIMESTAMPTZ',"
            )
            reader += " activity: 'VARCHAR', lifecycle: 'VARCHAR', resource: 'DOUBLE'})"
            connection.execute(f"COPY (FROM {reader}) TO '{tmp_path}/loans.{suffix}' ({options})")
    log, summary = read(tmp_path / f"loans.{suffix}", plan, source=named("loan_log"))
    assert (summary.used, summary.quarantined, summary.unknown_events) == (5, 0, {})
    assert log.session_ids.tolist() == ["7", "8"]
    assert log.visitor_ids.tolist() == ["7", "8"]
    order = [names[0], names[1], names[2], names[3], names[0]]
    assert log.codes.tolist() == [plan.codes[name] for name in order]
    assert log.at_us[0] == 1_317_422_324_546_000  # 30 September 2011, 22:38:44.546 UTC
    assert log.at_us[1] == log.at_us[2]
    columns = {column.name: log.values[:, place] for place, column in enumerate(plan.columns)}
    assert columns["amount_requested"].tolist() == [20_000.0] * 4 + [5_000.0]
    assert columns["automatic"].tolist() == [1.0, 1.0, 0.0, 0.0, 0.0]
    np.testing.assert_array_equal(columns["resource"], [112.0, 112.0, np.nan, 10_862.0, 10_862.0])


CALL: dict[str, Any] = {
    "messageId": "m",
    "anonymousId": "a1",
    "type": "track",
    "event": "view",
    "timestamp": "2024-05-01T10:00:00Z",
}


def read_call(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    """What one Segment call is read as."""
    features = (
        Feature("price", last(prop("price")), Friction.PRICE, "{:.2f} euros"),
        *(Feature(name, category(name), Friction.NONE, name) for name in ("channel", "device", "source", "campaign")),
    )
    plan = compile_plan(FeatureTable(("view", "buy"), (Stage("browse", "view"),), features))
    call = {name: value for name, value in (CALL | changes).items() if value is not None}
    log, summary = read(write_lines(tmp_path / "calls.jsonl", [call]), plan, source=named("segment"))
    return {
        "event": log.event_ids[0],
        "session": log.session_ids[0],
        "visitor": log.visitor_ids[0],
        "user": log.user_ids[0],
        "name": next(iter(summary.unknown_events), "view"),
        "at_us": log.at_us[0],
        "price": log.values[0, 0],
        **{name: column[0] for name, column in log.context.items()},
    }


SESSION = f"a1~{TEN_US}"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"event": "m", "visitor": "a1", "user": None, "session": SESSION, "name": "view", "at_us": TEN_US}),
        ({"type": "page", "event": None, "name": "Home"}, {"name": "page_view"}),
        ({"type": "screen", "event": None}, {"name": "screen_view"}),
        ({"type": "identify", "event": None, "userId": "u1"}, {"name": "identify", "user": "u1"}),
        ({"type": "group", "event": None}, {"name": "group"}),
        ({"type": "alias", "event": None, "anonymousId": None, "previousId": "p"}, {"name": "alias", "visitor": "p"}),
        ({"anonymousId": None, "userId": "u1"}, {"visitor": "u1", "user": "u1"}),
        ({"anonymousId": "", "previousId": "", "userId": "u1"}, {"visitor": "u1"}),
        ({"anonymousId": "", "previousId": "p", "userId": "u1"}, {"visitor": "p", "user": "u1"}),
        ({"context": {"sessionId": "s1"}, "properties": {"session_id": "s2"}}, {"session": "s1"}),
        ({"context": {"sessionId": ""}, "properties": {"session_id": 17}}, {"session": "17"}),
        ({"timestamp": None, "originalTimestamp": "2024-05-01T12:00:00+02:00"}, {"at_us": TEN_US}),
        ({"originalTimestamp": "2024-05-01T11:11:11Z"}, {"at_us": TEN_US}),
        ({"channel": "server"}, {"channel": "server"}),
        ({"channel": "server", "context": {"channel": "web"}}, {"channel": "web"}),
        ({"context": {"device": {"type": "ios"}}}, {"device": "mobile"}),
        ({"context": {"device": {"type": "Tablet"}}}, {"device": "tablet"}),
        ({"context": {"campaign": {"source": "news", "name": "may"}}}, {"source": "news", "campaign": "may"}),
        ({"context": {"source": "shop", "campaign": {"source": "news"}}}, {"source": "shop"}),
        ({"properties": {"price": "4.50"}}, {"price": 4.5}),
    ],
)
def test_segments_calls_become_canonical_events(
    tmp_path: Path, changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    found = read_call(tmp_path, **changes)
    assert {name: found[name] for name in expected} == expected


def test_a_segment_call_without_a_type_or_a_person_is_quarantined(tmp_path: Path, plan: Plan) -> None:
    calls = [CALL, CALL | {"messageId": "n", "type": None}, CALL | {"messageId": "o", "anonymousId": None}]
    _, summary = read(write_lines(tmp_path / "calls.jsonl", calls), plan, source=named("segment"))
    assert summary.reasons == {"the event name is missing": 1, "neither visitor_id nor user_id given": 1}


def test_the_canonical_source_needs_a_name_and_a_time_only(tmp_path: Path, plan: Plan) -> None:
    rows = [{"name": "view", "occurred_at": TEN_US / 1e6 + place, "user_id": "u"} for place in range(3)]
    log, summary = read(write_lines(tmp_path / "log.jsonl", rows), plan)
    assert summary.reasons == {}
    assert log.visitor_ids.tolist() == ["u"]
    assert log.codes.tolist() == [plan.codes["view"]] * 3


def write_mapping(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def test_a_toml_file_maps_columns_whatever_their_names(tmp_path: Path, plan: Plan) -> None:
    mapping = write_mapping(
        tmp_path / "odd.toml",
        '[columns]\nvisitor_id = "the visitor"\nname = "select"\noccurred_at = "when?"\ndevice = "DEVICE"\n'
        '[properties]\nprice = "l\'argent"\n"o\'clock" = "when?"\n',
    )
    (tmp_path / "odd.csv").write_text(
        "the visitor,select,when?,l'argent,DEVICE\nv2,view,1714557600,3,tablet\nv2,buy,1714557600,,phone\n"
    )
    write_lines(
        tmp_path / "odd.jsonl",
        [
            {"the visitor": "v2", "select": "view", "when?": 1714557600, "l'argent": 3, "DEVICE": "tablet"},
            {"the visitor": "v2", "select": "buy", "when?": 1714557600, "l'argent": None, "DEVICE": "phone"},
        ],
    )
    source = named(str(mapping))
    assert source.name == "odd"
    for name in ("odd.csv", "odd.jsonl"):
        log, _ = read(tmp_path / name, plan, source=source)
        assert log.visitor_ids.tolist() == ["v2"]
        assert log.codes.tolist() == [plan.codes["view"], plan.codes["buy"]]
        assert log.context["device"].tolist() == ["tablet"]
        price = log.values[:, [column.name for column in plan.columns].index("price")]
        np.testing.assert_array_equal(price, [3.0, np.nan])


def test_a_mapping_of_the_properties_as_a_whole_keeps_their_type(tmp_path: Path, plan: Plan) -> None:
    source = column_mapping(
        {"event_id": "event_id", "visitor_id": "visitor_id", "name": "name", "occurred_at": "occurred_at"}
        | {"properties": "what else"}
    )
    for given in ([{"price": 3.0}] * 2, ['{"price": 3}'] * 2):
        path = write_parquet(tmp_path / "log.parquet", {"what else": given})
        log, summary = read(path, plan, source=source)
        assert summary.reasons == {}
        assert log.values[:, [column.name for column in plan.columns].index("price")].tolist() == [3.0, 3.0]


def test_a_log_without_a_mapped_column_says_which(tmp_path: Path, plan: Plan) -> None:
    source = column_mapping({"visitor_id": "who", "name": "what", "occurred_at": "when"}, {"price": "cost"})
    (tmp_path / "log.csv").write_text("who,what,when,costs\nv,view,1714557600,3\n")
    with pytest.raises(LogError, match=r"lacks the column cost \(.*for 'cost' perhaps 'costs'"):
        read(tmp_path / "log.csv", plan, source=source)


def test_ids_of_a_mapped_log_are_made_in_file_order_and_kept_where_there_are_some(tmp_path: Path, plan: Plan) -> None:
    columns = {"visitor_id": "visitor_id", "name": "name", "occurred_at": "occurred_at"}
    rows = [event(3, name="buy", occurred_at=TEN_US), event(1, occurred_at=TEN_US)]
    path = write_lines(tmp_path / "log.jsonl", rows)
    made, _ = read(path, plan, source=column_mapping(columns))
    assert made.codes.tolist() == [plan.codes["buy"], plan.codes["view"]]
    kept, _ = read(path, plan, source=column_mapping(columns | {"event_id": "event_id"}))
    assert kept.event_ids.tolist() == ["e001", "e003"]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            {"visitor": "a", "name": "b", "occurred_at": "c"},
            "'visitor' is no canonical column; did you mean visitor_id",
        ),
        ({"visitor_id": "a", "occurred_at": "c"}, "names no column for 'name'; add name = 'column of your log'"),
        ({"visitor_id": "a", "name": "b"}, "names no column for 'occurred_at'"),
        ({"name": "b", "occurred_at": "c"}, "names no column for visitor_id or user_id; add one of them"),
    ],
)
def test_a_wrong_mapping_is_told_what_to_write(columns: dict[str, str], said: str) -> None:
    with pytest.raises(SourceError) as caught:
        column_mapping(columns)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[columns\n", "is no TOML file"),
        ('[columns]\nname = 3\nvisitor_id = "v"\noccurred_at = "t"\n', "[columns] maps names to column names, as in"),
        ('columns = "name"\n', "[columns] maps names to column names"),
        ('[columns]\nname = "n"\nvisitor_id = "v"\noccurred_at = "t"\n[properties]\nx = ["a"]\n', "[properties] maps"),
        ("", "names no column for 'name'"),
    ],
)
def test_a_wrong_mapping_file_is_told_what_to_write(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(SourceError) as caught:
        named(str(write_mapping(tmp_path / "m.toml", content)))
    assert said in str(caught.value)


def test_a_mapping_file_of_another_encoding_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_bytes('[columns]\nname = "é"\n'.encode("latin-1"))
    with pytest.raises(SourceError, match="is no TOML file"):
        named(str(tmp_path / "m.toml"))


def test_an_unknown_source_is_told_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        named("segmant")
    assert str(caught.value) == (
        "no source is named 'segmant'; use one of canonical, loan_log, segment, rudderstack, ga4, snowplow, posthog, "
        "or the path of a .toml mapping"
    )
    with pytest.raises(SourceError, match=r"there is no file .*absent\.toml"):
        named(str(tmp_path / "absent.toml"))
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(SourceError, match="is no TOML file"):
        named(str(tmp_path / "folder.toml"))


def test_what_a_mapping_reads_can_be_written_as_json(tmp_path: Path, plan: Plan) -> None:
    # Texts, numbers, truths and nothing at all, out of JSON Lines, are the properties they were.
    source = column_mapping(
        {"event_id": "event_id", "visitor_id": "visitor_id", "name": "name", "occurred_at": "occurred_at"},
        {"price": "a", "product": "b"},
    )
    rows = [event(number, a=value, b=value) for number, value in enumerate([1.5, "1.5", True, "p1", None, "", "{"])]
    mapped, _ = read(write_lines(tmp_path / "a.jsonl", rows), plan, source=source)
    direct = [row | {"properties": {"price": row["a"], "product": row["b"]}} for row in rows]
    plain, _ = read(write_lines(tmp_path / "b.jsonl", json.loads(json.dumps(direct))), plan)
    assert mapped.values.tobytes() == plain.values.tobytes()
