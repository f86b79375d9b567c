"""Encoding: what a property becomes, and that the live twin and the one that reads files never differ by a bit."""

import hashlib
import json
import math
import struct
import sys
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from small_logs import event, read, write_lines, write_parquet

from features.encode import encode_event, key, number
from features.events import Event
from features.friction import Friction
from features.plan import Plan, compile_plan
from features.scan import category, distinct, last, prop
from features.scan import key as key_value
from features.table import CONTEXT_COLUMNS, Feature, FeatureTable, Stage

NAN = math.nan


def plan_of() -> Plan:
    features = (
        Feature("number", last(prop("x")), Friction.PRICE, "{:.2f} of it"),
        Feature("identities", distinct(key_value("x")), Friction.CHOICE, "{:.0f} of them"),
        Feature("odd", last(prop("it's 100%")), Friction.PRICE, "{:.2f} of it"),
        *(Feature(name, category(name), Friction.NONE, name) for name in (*CONTEXT_COLUMNS, "country")),
    )
    return compile_plan(FeatureTable(("view", "intervention_shown"), (Stage("browse", "view"),), features))


PLAN = plan_of()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3.0),
        (-2.5, -2.5),
        (-0.0, 0.0),
        (True, 1.0),
        (False, 0.0),
        ("true", 1.0),
        ("false", 0.0),
        ("12", 12.0),
        ("+1.5e3", 1_500.0),
        ("-0", 0.0),
        (2**53 + 1, float(2**53)),
        (10**400, NAN),
        ("1e999", NAN),
        (math.inf, NAN),
        (NAN, NAN),
        (None, NAN),
        ([3], NAN),
        ({"x": 3}, NAN),
        ("", NAN),
        (" 12", NAN),
        ("12 ", NAN),
        ("1_000", NAN),
        (".5", NAN),
        ("5.", NAN),
        ("0x10", NAN),
        ("inf", NAN),
        ("nan", NAN),
        ("True", NAN),
        ("١٢", NAN),
        ("12\n", NAN),
    ],
)
def test_a_number_is_what_is_written_like_one(value: object, expected: float) -> None:
    assert struct.pack("d", number(value)) == struct.pack("d", expected)
    # What has a number is identified by it.
    if not math.isnan(expected):
        assert key(value) == expected


def test_an_identity_is_a_hash_of_the_text_that_no_number_can_be() -> None:
    # 52 bits of MD5, as RFC 1321 defines it: abc's digest begins 90 01 50 98 3c d2 4f b0.
    assert hashlib.md5(b"abc", usedforsecurity=False).hexdigest().startswith("900150983cd24fb0")
    assert key("abc") == -(1 + (0xB04FD23C98500190 >> 12))
    assert key("ABC") != key("abc") != key("abc ")
    for missing in ("", None, [], {}, [1], "[1]", "{", NAN, "NaN", math.inf, "-Infinity", "1e999", 10**400):
        assert math.isnan(key(missing)), missing


@given(st.text())
def test_an_identity_of_any_text_is_missing_a_number_or_a_whole_negative_one_that_a_float_holds(text: str) -> None:
    found = key(text)
    assert math.isnan(found) or found == number(text) or (found == int(found) and -(2**52) - 1 <= found <= -1)


def test_long_texts_are_not_kept_in_memory() -> None:
    tracemalloc.start()
    for index in range(500):
        assert key(f"{index}-{'x' * 20_000}") < 0
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # All of them would be ten megabytes.
    assert kept < 1_000_000


def test_an_event_is_encoded_by_the_columns_of_the_plan() -> None:
    encoded = encode_event(
        PLAN,
        Event(
            "e1",
            "view",
            17,
            "v",
            channel="email",
            device="mobile",
            source="",
            properties={"x": "4.5", "it's 100%": True, "country": "DE", "device": "ignored"},
        ),
    )
    assert (encoded.event_id, encoded.at_us, encoded.code) == ("e1", 17, PLAN.codes["view"])
    found = dict(zip(PLAN.columns, encoded.values.tolist(), strict=True))
    expected = {
        prop("x"): 4.5,
        key_value("x"): 4.5,
        prop("it's 100%"): 1.0,
        key_value("channel"): key("email"),
        key_value("device"): key("mobile"),
        key_value("source"): NAN,
        key_value("campaign"): NAN,
        key_value("country"): key("DE"),
    }
    np.testing.assert_equal(found, expected)


def test_names_become_the_codes_of_the_plan() -> None:
    codes = {name: encode_event(PLAN, Event("e", name, 0, "v")).code for name in ("view", "View", "intervention_x")}
    assert codes == {"view": PLAN.codes["view"], "View": 0, "intervention_x": PLAN.codes["intervention_shown"]}


# Every way to write a JSON value, from the values that Python writes to those that only a hand does.
written_numbers = st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
texts = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",)), max_size=12),
    st.from_regex(r"[+-]?[0-9]{1,20}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,4})?", fullmatch=True),
    st.sampled_from(
        ["true", "false", "null", "NaN", "Infinity", "-Infinity", "inf", "nan", "1_000", " 12 ", "0x10", "1e999", "-0"]
    ),
    st.sampled_from(
        ["{}", "[1]", "{", "\0", "a\0b", "\x01", "\u2028", "é", "e\u0301", "😀", "12\n", "'", '"', "\\", "$.x", "١٢"]
    ),
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**80), 2**80), st.floats(), texts, st.just(10**400), st.just(-(10**400))
)
values = st.one_of(
    scalars,
    st.recursive(scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2)),
)
json_texts = st.one_of(
    values.map(json.dumps),
    values.map(lambda value: json.dumps(value, ensure_ascii=False, separators=(" , ", " : "))),
    written_numbers,
    st.sampled_from(
        ["1E5", "-0", "-0.0", "1e-400", "1e999", "-1e999", '"\\u0041\\/"', '"\\ud83d\\ude00"', '"\\u0000"']
    ),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(json_texts, min_size=1, max_size=150))
@example(["NaN", "Infinity", "-Infinity", '"NaN"', "1e999", '"1e999"', str(10**400), f'"{10**400}"'])
def test_any_property_of_a_file_is_encoded_as_it_is_live(bodies: list[str]) -> None:
    lines, live = [], []
    for place, body in enumerate(bodies):
        row = event(place, event_id=f"{place:06d}", occurred_at=1_714_557_600)
        row.pop("properties")
        lines.append(f'{json.dumps(row)[:-1]}, "properties": {{"x": {body}, "it\'s 100%": {body}}}}}\n'.encode())
        properties = {"x": json.loads(body), "it's 100%": json.loads(body)}
        live.append(encode_event(PLAN, Event(f"{place:06d}", "view", 0, "v", properties=properties)).values)
    with tempfile.TemporaryDirectory() as folder:
        log, summary = read(write_lines(Path(folder) / "log.jsonl", lines), PLAN)
    assert summary.quarantined == 0
    for body, ours, theirs in zip(bodies, live, log.values, strict=True):
        assert ours.tobytes() == theirs.tobytes(), (body, ours, theirs)


contexts = st.one_of(st.none(), texts.filter(lambda text: "\0" not in text))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(contexts, contexts, contexts, contexts), min_size=1, max_size=100))
def test_any_context_of_a_file_is_encoded_as_it_is_live(drawn: list[tuple[str | None, ...]]) -> None:
    rows: list[dict[str, Any]] = []
    for place, given_ in enumerate(drawn):
        context = dict(zip(CONTEXT_COLUMNS, given_, strict=True))
        rows.append(event(place, event_id=f"{place:06d}", occurred_at=1_714_557_600, properties=None) | context)
    with tempfile.TemporaryDirectory() as folder:
        log, summary = read(write_lines(Path(folder) / "log.jsonl", rows), PLAN)
    assert summary.quarantined == 0
    for row, theirs in zip(rows, log.values, strict=True):
        context = {name: row[name] for name in CONTEXT_COLUMNS}
        ours = encode_event(PLAN, Event("e", "view", 0, "v", **context)).values
        assert ours.tobytes() == theirs.tobytes(), context


@pytest.mark.parametrize("missing", [NAN, math.inf, -math.inf])
def test_a_missing_number_in_a_struct_is_missing(tmp_path: Path, missing: float) -> None:
    # What pandas writes for no value at all.
    path = write_parquet(tmp_path / "log.parquet", {"properties": [{"x": missing}, {"x": 2.0}]})
    log, _ = read(path, PLAN)
    assert log.values[:, PLAN.columns.index(key_value("x"))].tolist()[1] == 2.0
    assert np.isnan(log.values[0]).all()
