"""The overview's page: what was noted down stands at the day on which it was, where the journey is."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from made_facts import BEGIN, SHOP, MadeSession, write_facts

from insights.pages.figure import Lines, View
from insights.pages.overview import page
from storage.records import Annotation, AnnotationKind, Records


def test_an_annotation_stands_in_the_trend_on_its_local_day(tmp_path: Path) -> None:
    facts = write_facts(tmp_path / "facts", [MadeSession(), MadeSession(started_at=BEGIN + timedelta(days=1))])
    # Half past ten in the evening in UTC is half past midnight of the next day in Berlin.
    noted_us = round(datetime(2026, 6, 1, 22, 30, tzinfo=UTC).timestamp() * 1e6)
    records = Records(annotations=(Annotation(1, noted_us, AnnotationKind.RELEASE, "new checkout", "a", noted_us),))
    [trend] = [one for one in page(View(SHOP, facts, records=records)).figures if one.name == "days"]
    assert isinstance(trend.chart, Lines)
    assert [(mark.x, mark.text) for mark in trend.chart.marks] == [("2026-06-02", "new checkout")]
