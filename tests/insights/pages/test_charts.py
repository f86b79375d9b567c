"""Charts hold the numbers of their tables, and the texts that the tables write."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from insights.pages.charts import draw
from insights.pages.figure import Bars, Chart, Column, Figure, Heat, Lines, Mark, Sankey, Table, Tile, Unit
from insights.pages.render import embed_json

STAGES = Table(
    (
        Column("stage", "Stage"),
        Column("rate", "Exit rate", Unit.SHARE),
        Column("low", "Low", Unit.SHARE),
        Column("high", "High", Unit.SHARE),
    ),
    (("cart", 0.25, 0.2, 0.3), ("payment", None, None, None)),
)


def drawn(table: Table, chart: Chart, timezone: str = "UTC") -> dict[str, Any]:
    option = draw(Figure("name", "Title", "Definition", table, chart), timezone)
    assert option is not None
    return option


def test_a_bar_has_its_rows_number_its_text_with_the_interval_and_a_whisker() -> None:
    option = drawn(STAGES, Bars("stage", ("rate",), "low", "high"))
    bars, whiskers = option["series"]
    assert [one["value"] for one in bars["data"]] == [0.25, None]
    assert bars["data"][0]["text"] == "25.0% (20.0% to 30.0%)"
    # Place, low, high, which bar of how many, and whether they lie.
    assert whiskers["data"] == [[0, 0.2, 0.3, 0, 1, 0], [1, None, None, 0, 1, 0]]
    assert option["yAxis"]["axisLabel"]["formatter"] == "axis:share"
    lying = drawn(STAGES, Bars("stage", ("rate",), "low", "high", horizontal=True))
    assert lying["yAxis"]["data"] == ["cart", "payment"]
    assert lying["series"][1]["data"][0] == [0, 0.2, 0.3, 0, 1, 1]


def test_stacked_bars_stand_on_one_another_and_have_no_whiskers() -> None:
    option = drawn(STAGES, Bars("stage", ("low", "high"), "low", "high", stacked=True))
    assert [series["stack"] for series in option["series"]] == ["all", "all"]
    assert option["legend"]["data"] == ["Low", "High"]


def test_lines_split_by_a_column_keep_each_others_rows_apart() -> None:
    table = Table(
        (Column("day", "Day", Unit.DAY), Column("device", "Device"), Column("n", "Sessions", Unit.COUNT)),
        (("2026-03-01", "mobile", 3), ("2026-03-01", "desktop", 5), ("2026-03-02", "mobile", 4)),
    )
    option = drawn(table, Lines("day", ("n",), series="device", marks=(Mark("2026-03-02", "A release"),)))
    assert {series["name"]: [one["value"] for one in series["data"]] for series in option["series"]} == {
        "mobile": [["2026-03-01", 3], ["2026-03-02", 4]],
        "desktop": [["2026-03-01", 5]],
    }
    assert option["series"][-1]["markLine"]["data"][0]["xAxis"] == "2026-03-02"
    assert option["xAxis"]["type"] == "time"


def test_a_band_spans_from_low_to_high() -> None:
    table = Table(
        (*(Column(name, name, Unit.NUMBER) for name in ("x", "y", "from", "to")),),
        ((1, 5.0, 4.0, 7.0), (2, None, None, 1)),
    )
    low, span, line = drawn(table, Lines("x", ("y",), "from", "to"))["series"]
    assert low["data"] == [[1, 4.0], [2, None]]
    assert span["data"] == [[1, 3.0], [2, None]]
    assert low["stack"] == span["stack"]
    assert [one["value"] for one in line["data"]] == [[1, 5.0], [2, None]]


def test_a_moment_stands_on_the_journeys_clocks_whatever_the_readers_are() -> None:
    table = Table((Column("at", "At", Unit.TIME), Column("n", "N", Unit.COUNT)), (("2026-07-01T10:00:00Z", 1),))
    line = drawn(table, Lines("at", ("n",)), "Europe/Berlin")["series"][0]
    assert line["data"][0]["value"] == ["2026-07-01T12:00:00", 1]


def test_a_field_stands_where_its_row_says_and_nothing_is_drawn_for_an_unknown_value() -> None:
    table = Table(
        (Column("hour", "Hour", Unit.NUMBER), Column("day", "Day"), Column("n", "Sessions", Unit.COUNT)),
        ((0, "Monday", 4), (1, "Monday", None), (1, "Tuesday", 9)),
    )
    option = drawn(table, Heat("hour", "day", "n"))
    assert [one["value"] for one in option["series"][0]["data"]] == [[0, 0, 4], [1, 1, 9]]
    assert (option["visualMap"]["min"], option["visualMap"]["max"]) == (0.0, 9)


def test_a_stream_is_as_wide_as_its_row_says() -> None:
    table = Table(
        (Column("a", "From"), Column("b", "To"), Column("n", "Sessions", Unit.COUNT)), (("cart", "left", 1200),)
    )
    series = drawn(table, Sankey("a", "b", "n"))["series"][0]
    assert series["links"] == [
        {"source": "cart", "target": "left", "value": 1200, "name": "cart → left", "text": "1,200"}
    ]


def test_nothing_is_drawn_without_rows_or_for_a_tile() -> None:
    assert draw(Figure("name", "Title", "", Table(STAGES.columns, ()), Bars("stage", ("rate",)))) is None
    assert draw(Figure("name", "Title", "", STAGES, Tile("rate"))) is None
    assert draw(Figure("name", "Title", "", STAGES)) is None


@given(st.text())
def test_no_text_ends_the_script_element_that_holds_it(text: str) -> None:
    embedded = str(embed_json({"name": text + "</script><!--"}))
    assert "<" not in embedded
    assert ">" not in embedded
    assert "&" not in embedded


def test_fields_below_nothing_have_colours_of_their_own_and_nothing_is_in_the_middle() -> None:
    columns = (Column("x", "X"), Column("y", "Y"), Column("n", "N", Unit.NUMBER))
    both = drawn(Table(columns, (("a", "b", -0.2), ("a", "c", 0.1))), Heat("x", "y", "n"))["visualMap"]
    assert (both["min"], both["max"]) == (-0.2, 0.2)
    assert len(both["inRange"]["color"]) == 7
    assert both["inRange"]["color"][3] == "var(--heat-0)"
    above = drawn(Table(columns, (("a", "b", 0.2), ("a", "c", 0.1))), Heat("x", "y", "n"))["visualMap"]
    assert (above["min"], above["max"], len(above["inRange"]["color"])) == (0.0, 0.2, 4)
