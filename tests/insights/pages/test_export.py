"""Downloads hold the values themselves."""

import csv
import io
import json

from hypothesis import given
from hypothesis import strategies as st

from insights.pages.export import to_csv, to_json
from insights.pages.figure import Column, Figure, Page, Table, Unit

TWO = (Column("name", "Name"), Column("share", "Share", Unit.SHARE))


def test_a_download_has_names_as_header_and_plain_values() -> None:
    table = Table(TWO, (('with "quotes", comma\nand line', 0.123456789), ("nothing", None)))
    assert to_csv(table) == 'name,share\r\n"with ""quotes"", comma\nand line",0.123456789\r\nnothing,\r\n'


@given(st.sampled_from("=+-@\t\r"), st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\n\0")))
def test_a_text_that_a_spreadsheet_would_run_is_only_read(sign: str, rest: str) -> None:
    written = next(csv.reader(io.StringIO(to_csv(Table((TWO[0],), ((sign + rest,),))).split("\r\n", 1)[1], newline="")))
    assert written[0].startswith("'")


def test_a_negative_number_stays_a_number() -> None:
    assert to_csv(Table((TWO[1],), ((-0.5,),))) == "share\r\n-0.5\r\n"


def test_json_has_every_figure_and_no_number_that_json_does_not_know() -> None:
    figure = Figure("rates", "Rates", "What it is", Table(TWO, (("a", float("nan")), ("b", 0.5))))
    written = to_json([Page("funnel", "Funnel", "", (figure,))])
    rows = json.loads(json.dumps(written, allow_nan=False))["funnel"]["figures"]["rates"]["rows"]
    assert rows == [{"name": "a", "share": None}, {"name": "b", "share": 0.5}]


def test_a_sum_that_threads_added_in_another_order_is_the_same_download() -> None:
    one, other = 2.0053913772281717, 2.0053913772281713
    assert one != other
    assert to_csv(Table((TWO[1],), ((one,),))) == to_csv(Table((TWO[1],), ((other,),))) == "share\r\n2.00539137723\r\n"
