"""`dropoff experiment analyse` as people type it, on a table of a shop."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_cli import DATA, Run, refused, run

__all__ = ["run"]
HILLSTROM = DATA / "hillstrom" / "hillstrom.csv.gz"


def write_tables(folder: Path, rates: Sequence[float] = (0.10, 0.13), people: int = 3_000) -> None:
    """Exposures in turn to control and banner, and purchases, exactly as many as the rates say."""
    exposures, outcomes = ["visitor_id,variant,exposed_at,risk,device,stage"], ["visitor_id,metric,value,at"]
    draws = np.random.default_rng(1)
    for person in range(2 * people):
        arm, minute = person % 2, person
        at = np.datetime64("2026-03-01T00:00") + np.timedelta64(minute, "m")
        device, stage = ("phone", "desktop")[person // 2 % 2], ("cart", "checkout")[person // 4 % 2]
        exposures.append(f"v{person},{('control', 'banner')[arm]},{at}Z,{draws.random():.3f},{device},{stage}")
        if person // 2 % 100 < 100 * rates[arm]:
            outcomes.append(f"v{person},purchase,1,{at + np.timedelta64(30, 'm')}Z")
            outcomes.append(f"v{person},revenue,{draws.lognormal(3, 0.3):.2f},{at + np.timedelta64(30, 'm')}Z")
    outcomes.append("stranger,purchase,1,2026-03-02T00:00Z")
    (folder / "e.csv").write_text("\n".join(exposures) + "\n")
    (folder / "o.csv").write_text("\n".join(outcomes) + "\n")


TABLES = ("experiment", "analyse", "--exposures", "e.csv", "--outcomes", "o.csv")


def test_the_verdict_comes_first_and_everything_is_written(run: Run, tmp_path: Path) -> None:
    write_tables(tmp_path)
    ran = run(*TABLES, "--guardrail", "revenue:.1", "--minimum-effect", ".1", "--planned", "3000", "--json", "a.json")
    assert (ran.status, ran.err) == (0, "")
    first = ran.out.splitlines()[0]
    # Exactly 10 and 13 %, of 3,000 each.
    assert first.startswith("Ship: banner is better: purchase 13.00% against 10.00%, an adjusted difference of +")
    assert "Fixed" in ran.out
    assert "Always valid" in " ".join(ran.out.split())
    assert "1 outcomes of 1 people who were not exposed, left out." in ran.out
    written = json.loads((tmp_path / "a.json").read_text())
    assert written["decision"]["verdict"] == "ship"
    assert written["people"] == {"banner": 3_000, "control": 3_000}
    assert written["primary"][0]["unadjusted"]["value"] == pytest.approx(0.03)
    assert written["primary"][0]["covariates"] == ["risk"]
    assert {one["name"] for one in written["segments"]} == {"device", "stage"}
    assert len(written["sequence"]["banner"]) > 20


def test_the_picture_is_a_png_an_svg_or_a_page(run: Run, tmp_path: Path) -> None:
    write_tables(tmp_path, people=1_000)
    for name in ("a.png", "a.svg", "a.html"):
        assert run(*TABLES, "--out", name).status == 0
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width > 1_000
        assert len(picture.getcolors(1_000_000)) > 20
    assert (tmp_path / "a.svg").read_text().lstrip().startswith("<?xml")
    page = (tmp_path / "a.html").read_text()
    assert "Segments: hypotheses, not findings" in page
    assert "The ratio of the arms" in page


def test_a_fixed_horizon_that_is_read_too_early_is_invalid(run: Run, tmp_path: Path) -> None:
    write_tables(tmp_path, people=1_000)
    ran = run(*TABLES, "--rule", "fixed", "--planned", "2000")
    assert ran.out.startswith("Invalid: looked at before its end: the fixed horizon is 2,000 people per arm")


def test_an_inconclusive_one_says_what_is_still_needed_and_what_to_test_next(run: Run, tmp_path: Path) -> None:
    write_tables(tmp_path, (0.10, 0.11), people=2_000)
    ran = run(*TABLES, "--minimum-effect", ".1", "--no-adjust")
    assert ran.out.startswith("Inconclusive: banner may be better or worse")
    assert "Still needed: " in ran.out
    assert "Next hypothesis: Among people of " in ran.out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--metric", "clicks"], "there is no outcome 'clicks' for the metric 'clicks': there are purchase, revenue"),
        (["--control", "off"], "there is no variant 'off' to compare with: the variants are banner, control"),
        (
            ["--unit", "who"],
            "there is no column 'who' for the unit; there are visitor_id, variant, exposed_at, risk, device, stage",
        ),
        (["--covariate", "age"], "the exposures have no covariate 'age': they have risk"),
        (["--out", "a.pdf"], "a.pdf should end in .png or .svg or .html"),
    ],
)
def test_what_cannot_be_analysed_is_refused_in_one_line(
    run: Run, tmp_path: Path, arguments: list[str], line: str
) -> None:
    write_tables(tmp_path, people=100)
    refused(run(*TABLES, *arguments), line)


@pytest.mark.real_data
@pytest.mark.skipif(not HILLSTROM.exists(), reason="needs the public data sets beside the checkout")
def test_the_published_email_experiment_gives_its_published_figures(run: Run, tmp_path: Path) -> None:
    import duckdb

    # Hillstrom's challenge: visits 10.62 % without an e-mail, 18.28 and 15.14 % with the men's and the women's.
    table = tmp_path / "hillstrom.parquet"
    duckdb.sql(f"COPY (SELECT row_number() OVER () AS unit, * FROM '{HILLSTROM}') TO '{table}'")
    arguments = ("--exposures", table, "--outcomes", table, "--variant", "segment", "--control", "No E-Mail")
    adjusted = ("--covariate", "recency", "--covariate", "history", "--covariate", "newbie")
    ran = run("experiment", "analyse", *arguments, "--metric", "visit", *adjusted, "--json", "h.json")
    assert (ran.status, ran.err) == (0, "")
    written = json.loads((tmp_path / "h.json").read_text())
    mens, womens = (next(one for one in written["primary"] if one["variant"].startswith(name)) for name in ("M", "W"))
    assert mens["control"]["value"] == pytest.approx(0.1062, abs=5e-5)
    assert mens["treated"]["value"] == pytest.approx(0.1828, abs=5e-5)
    assert womens["treated"]["value"] == pytest.approx(0.1514, abs=5e-5)
    assert (written["decision"]["verdict"], written["decision"]["variant"]) == ("ship", "Mens E-Mail")
    assert set(mens["covariates"]) == {"recency", "history", "newbie"}
    assert mens["unadjusted"]["value"] == pytest.approx(0.1828 - 0.1062, abs=1e-4)
    assert 0 < mens["variance_removed"] < 0.05


def test_an_arm_that_nobody_met_has_dashes_and_no_figures(run: Run, tmp_path: Path) -> None:
    write_tables(tmp_path, people=200)
    ran = run(*TABLES, "--metric", "purchase", "--shares", "control=.4,banner=.4,poster=.2")
    assert ran.out.startswith("Invalid: sample ratio mismatch")
    assert "nan" not in ran.out
    assert "poster" in ran.out


def test_what_came_of_people_in_one_table_with_their_variants_is_no_slice(run: Run, tmp_path: Path) -> None:
    rows = ["unit,variant,device,bought"]
    rows += [f"a{number},control,{'phone' if number % 2 else 'desktop'},{int(number < 400)}" for number in range(2_000)]
    rows += [f"b{number},banner,{'phone' if number % 2 else 'desktop'},{int(number < 700)}" for number in range(2_000)]
    table = tmp_path / "both.csv"
    table.write_text("\n".join(rows) + "\n", encoding="utf-8")
    arguments = ("--exposures", table, "--outcomes", table, "--metric", "bought", "--control", "control")
    ran = run("experiment", "analyse", *arguments, "--json", "both.json")
    assert (ran.status, ran.err) == (0, "")
    written = json.loads((tmp_path / "both.json").read_text())
    assert written["decision"]["verdict"] == "ship"
    assert {one["name"] for one in written["ratio"]["slices"]} == {"device"}
    assert {one["name"] for one in written["segments"]} == {"device"}
