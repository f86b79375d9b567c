"""`dropoff experiment size` as people type it."""

import json
from pathlib import Path

import pytest
from PIL import Image
from test_cli import Run, refused, run

__all__ = ["run"]
ASKED = ("experiment", "size", "--baseline", ".05", "--lift", ".2", "--power", ".8", "--alpha", ".05")


def test_the_size_is_written_in_its_fixed_shape(run: Run, tmp_path: Path) -> None:
    ran = run(*ASKED, "--visitors-per-day", "1000", "--days", "14", "--json", "size.json")
    assert (ran.status, ran.err) == (0, "")
    written = json.loads((tmp_path / "size.json").read_text())
    # 8,158 people per arm: tests/decisions/test_experiment_size.py computes it by hand; 16,316 come in 17 days.
    assert (written["per_arm"], written["total"], written["days"], written["weeks"]) == (8158, 16316, 17, 3)
    assert written["relative"] == pytest.approx(0.2)
    assert written["always_valid"]["per_arm"] > 8158
    assert 0 < written["detectable"]["absolute"] < written["detectable"]["always_valid_absolute"]
    assert "8,158 people in each of 2 arms" in ran.out


def test_days_are_null_without_the_traffic(run: Run, tmp_path: Path) -> None:
    run(*ASKED, "--json", "size.json")
    written = json.loads((tmp_path / "size.json").read_text())
    assert (written["days"], written["detectable"]) == (None, None)


def test_an_absolute_change_is_the_same_as_the_relative_one(run: Run, tmp_path: Path) -> None:
    run("experiment", "size", "--baseline", ".05", "--absolute", ".01", "--json", "size.json")
    assert json.loads((tmp_path / "size.json").read_text())["per_arm"] == 8158


def test_the_picture_is_a_png_an_svg_or_a_page(run: Run, tmp_path: Path) -> None:
    for name in ("size.png", "size.svg", "size.html"):
        assert run(*ASKED, "--out", name).status == 0
    with Image.open(tmp_path / "size.png") as picture:
        assert picture.width > 1_000
        assert len(picture.getcolors(1_000_000)) > 20
    assert (tmp_path / "size.svg").read_text().lstrip().startswith("<?xml")
    assert "8,158 people" in (tmp_path / "size.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--baseline", ".05"],
            "say which change is to be found, relative to the baseline or absolute: one of the two",
        ),
        (
            ["--baseline", "10", "--absolute", "1", "--metric", "mean"],
            "a mean needs the standard deviation of one person: give --deviation",
        ),
        (
            ["--baseline", ".1", "--absolute", ".01", "--deviation", "2"],
            "a proportion needs no deviation: its rate says it; choose another metric or leave it out",
        ),
        (
            ["--baseline", ".1", "--absolute", ".01", "--metric", "median"],
            "'median' is no kind of metric: there are proportion, mean, revenue, ratio",
        ),
        (
            ["--baseline", "0", "--lift", ".1"],
            "nothing is relative to a baseline of 0: give the change with --absolute",
        ),
        (
            ["--baseline", ".1", "--absolute", ".01", "--days", "3"],
            "what is detectable in so many days needs the traffic: give --visitors-per-day",
        ),
        (["--baseline", ".1", "--absolute", ".01", "--out", "a.pdf"], "a.pdf should end in .png or .svg or .html"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(run: Run, arguments: list[str], line: str) -> None:
    refused(run("experiment", "size", *arguments), line)
