"""Tables, tiles and sentences as their template writes them."""

from insights.filters import Filters
from insights.pages.figure import Bars, Column, Figure, Sentences, Table, Tile, Unit
from insights.pages.links import ReportLinks, ServiceLinks
from insights.pages.tables import MOST_ROWS, show_sentences, show_table, show_tile

SLUGS = ("overview", "funnel", "sessions")
LINKS = ServiceLinks(SLUGS, Filters(cohort=(("device", "mobile"),)))


def test_the_ends_of_an_interval_share_a_column() -> None:
    columns = (
        Column("stage", "Stage"),
        Column("rate", "Rate", Unit.SHARE),
        Column("from", "From", Unit.SHARE),
        Column("to", "To", Unit.SHARE),
        Column("gain_low", "Low", Unit.COUNT),
        Column("gain_high", "High", Unit.COUNT),
    )
    figure = Figure(
        "f", "F", "", Table(columns, (("cart", 0.5, 0.4, 0.6, 1, 2),)), Bars("stage", ("rate",), "from", "to")
    )
    shown = show_table(figure, LINKS, "UTC")
    assert [cell.text for cell in shown.headers] == ["Stage", "Rate", "Interval", "Interval"]
    assert [cell.text for cell in shown.rows[0]] == ["cart", "50.0%", "40.0% to 60.0%", "1 to 2"]


def test_a_value_leads_to_its_page_with_the_filters_kept_and_its_signs_escaped() -> None:
    columns = (
        Column("id", "Id", link="sessions?session={}"),
        Column("page", "Page", link="{}"),
        Column("no", "No", link="no"),
    )
    figure = Figure("f", "F", "", Table(columns, (("a&b=1", "funnel#exits", "x"),)))
    cells = show_table(figure, LINKS, "UTC").rows[0]
    assert [cell.address for cell in cells] == [
        "/sessions?device=mobile&session=a%26b%3D1",
        "/funnel?device=mobile#exits",
        "",
    ]
    assert show_table(figure, ReportLinks(SLUGS), "UTC").rows[0][1].address == "#funnel--exits"
    assert LINKS.page("overview") == "/?device=mobile"
    assert LINKS.download("funnel", "exits") == "/funnel/exits.csv?device=mobile"


def test_a_long_table_ends_and_says_how_much_is_left() -> None:
    figure = Figure("f", "F", "", Table((Column("n", "N", Unit.COUNT),), tuple((n,) for n in range(MOST_ROWS + 7))))
    shown = show_table(figure, LINKS, "UTC")
    assert (len(shown.rows), shown.left_out) == (MOST_ROWS, 7)


def test_a_tile_says_whether_a_change_is_good() -> None:
    columns = (Column("rate", "Rate", Unit.SHARE), Column("before", "Before", Unit.SHARE))

    def tone(now: float, before: float | None, rise_is_good: bool | None) -> str:
        chart = Tile("rate", before="before", rise_is_good=rise_is_good)
        return show_tile(Figure("f", "F", "", Table(columns, ((now, before),)), chart), LINKS, "UTC").tone

    assert tone(0.2, 0.1, True) == tone(0.1, 0.2, False) == "good"
    assert tone(0.1, 0.2, True) == tone(0.2, 0.1, False) == "bad"
    assert tone(0.1, 0.1, True) == tone(0.1, None, True) == tone(0.1, 0.2, None) == ""


def test_a_sentence_leads_to_the_figure_it_rests_on() -> None:
    columns = (Column("said", "Said"), Column("page", "Page"))
    table = Table(columns, (("One.", "funnel#exits"), ("Two.", None)))
    figure = Figure("f", "F", "", table, Sentences("said", "page"))
    assert show_sentences(figure, LINKS) == [("One.", "/funnel?device=mobile#exits"), ("Two.", "")]
