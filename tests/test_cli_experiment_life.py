"""An experiment's life on the command line: drafted, refused, started, listed, stopped with its result."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from newsletter import call
from sqlalchemy import Engine

from decisions.experiments import from_json, to_json
from features.events import Event
from serving.runtime import now_us
from storage.audit import read_audit
from storage.database import database_url, open_database, writing
from storage.event_log import EventLog
from storage.exposure_store import Exposure, ExposureStore
from storage.playbook_store import PlaybookStore

COMPLETE = (
    *("--hypothesis", "More people pay when another way of paying is offered."),
    *("--variant", "usual=as_usual", "--variant", "none=nothing", "--variant", "pay=other_payment*2"),
    *("--stage", "payment", "--blocker", "payment", "--cohort", "device=mobile|tablet", "--share", "0.5"),
    *("--metric", "goal", "--secondary", "revenue", "--guardrail", "net_value:.05", "--guardrail", "dismissed:=.02"),
    *("--minimum-effect", "0.2", "--duration", "28d", "--window", "1d", "--rule", "fixed", "--owner", "Payments"),
)
TRAFFIC = ("--people-per-day", "5000", "--baseline", "0.2")
DAY_US = 86_400_000_000


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DROPOFF_HOME", str(tmp_path / "home"))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_database(database_url(tmp_path / "home"))
    yield opened
    opened.dispose()


def experiment(*arguments: str) -> Any:
    return call("experiment", *arguments)


def new(name: str, *options: str) -> None:
    ran = experiment("new", "ecommerce", "--name", name, *options)
    assert (ran.status, ran.err) == (0, "")


def listed() -> dict[str, dict[str, Any]]:
    assert experiment("list", "ecommerce", "--json", "list.json").status == 0
    found = json.loads(Path("list.json").read_text())["experiments"]
    return {one["name"]: one for one in found}


def bought(visitor: str, at_us: int) -> Event:
    return Event(f"e-{visitor}", "purchase", at_us, visitor, f"s-{visitor}", received_at_us=at_us)


def expose(engine: Engine, name: str, people: dict[str, tuple[int, int]]) -> None:
    """Let people be exposed three days ago, so many in each variant, of whom so many reached the goal an hour later."""
    began_us = now_us() - 3 * DAY_US
    log, exposures = EventLog(engine, "ecommerce"), ExposureStore(engine, "ecommerce")
    with writing(engine) as connection:
        for variant, (count, goals) in people.items():
            for number in range(count):
                visitor = f"{name}-{variant}-{number}"
                exposures.add(
                    connection,
                    Exposure(
                        name, visitor, visitor, variant, began_us + number, f"s-{visitor}", "d", "payment", "payment", 0
                    ),
                )
                if number < goals:
                    log.append(connection, [bought(visitor, began_us + DAY_US // 24)])


def test_a_draft_that_is_not_complete_is_told_all_that_is_missing_and_not_started(engine: Engine) -> None:
    said = experiment("new", "ecommerce", "--name", "chat", "--variant", "a=live_chatt", "--variant", "b=nothing").out
    assert said.count("Before it can be started:") == 8
    assert "shows 'live_chatt', which is no intervention" in said
    ran = experiment("start", "ecommerce", "chat", *TRAFFIC)
    assert ran.status == 1
    assert "the owner is missing" in ran.err
    assert "the stopping rule is missing" in ran.err
    assert listed()["chat"]["status"] == "draft"


def test_an_experiment_is_drafted_started_listed_and_stopped(engine: Engine) -> None:
    new("pay", *COMPLETE)
    started = experiment("start", "ecommerce", "pay", *TRAFFIC, "--json", "start.json")
    assert (started.status, started.err) == (0, "")
    found = json.loads(Path("start.json").read_text())
    # The smallest of the three variants gets a quarter of those who come.
    assert found["days"] == pytest.approx(found["per_arm"] / (5_000 / 4))
    # (z(.9875) sqrt(2 x .22 x .78) + z(.8) sqrt(.2 x .8 + .24 x .76))^2 / .04^2 = (1.3131 + .4925)^2 / .0016 = 2,037.5
    assert found["per_arm"] == 2_038
    assert (
        "the experiment 'pay' of ecommerce is running already" in experiment("start", "ecommerce", "pay", *TRAFFIC).err
    )
    assert "nobody has taken part in pay yet" in experiment("analyse", "ecommerce", "pay").err
    assert "the reason is empty" in experiment("stop", "ecommerce", "pay", "--reason", " ").err
    expose(engine, "pay", {"usual": (400, 80), "none": (400, 40), "pay": (800, 160)})
    one = listed()["pay"]
    assert (one["status"], one["planned_per_arm"]) == ("running", found["per_arm"])
    assert one["people"] == {"usual": 400, "none": 400, "pay": 800}
    stopped = experiment("stop", "ecommerce", "pay", "--reason", "seen enough", "--json", "stop.json")
    assert (stopped.status, stopped.err) == (0, "")
    analysis = json.loads(Path("stop.json").read_text())["analysis"]
    effects = {effect["variant"]: effect for effect in analysis["primary"]}
    assert effects["none"]["unadjusted"]["value"] == pytest.approx(40 / 400 - 80 / 400)
    assert effects["pay"]["unadjusted"]["value"] == pytest.approx(0)
    assert effects["none"]["difference"]["high"] < 0
    assert analysis["ratio"]["alarm"] is False
    one = listed()["pay"]
    assert (one["status"], one["stopped_for"], one["verdict"]) == (
        "stopped",
        "seen enough",
        analysis["decision"]["verdict"],
    )
    with engine.connect() as connection:
        audited = [entry.action for entry in read_audit(connection, "ecommerce") if "experiment" in entry.subject]
    assert audited == ["declare experiment", "start experiment", "stop experiment"]
    # The one intervention that a variant shows is a tactic, and what was found is evidence for it.
    assert "In the playbook payment.payment.other_payment.device=mobile|tablet is testing." in started.out
    [tactic] = PlaybookStore(engine, "ecommerce").tactics()
    [evidence] = tactic.evidence
    assert (evidence.experiment, evidence.people, evidence.metric) == ("pay", 1_200, "goal")
    assert evidence.effect == pytest.approx(effects["pay"]["difference"]["value"])


def test_a_draft_that_could_never_be_started_for_its_name_is_refused() -> None:
    ran = experiment("new", "ecommerce", "--name", "Füße")
    assert (ran.status, "'Füße' is no name: use letters, digits, _ and -" in ran.err) == (1, True)
    assert "Füße" not in listed()


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_a_draft_with_a_number_that_is_none_is_refused_and_spoils_no_list(number: str) -> None:
    for option in (("--share", number), ("--variant", f"a=nothing*{number}"), ("--guardrail", f"goal:{number}")):
        ran = experiment("new", "ecommerce", "--name", "odd", *option)
        assert (ran.status, f"is {number}: write a number" in ran.err) == (1, True), ran.err
    assert "odd" not in listed()


def test_traffic_that_does_not_suffice_in_time_is_refused_with_the_figures() -> None:
    new("pay", *COMPLETE)
    ran = experiment("start", "ecommerce", "pay", "--people-per-day", "10", "--baseline", "0.2")
    assert ran.status == 1
    assert "pay cannot reach its size in the planned 28 days" in ran.err
    assert "10 a day would enter" in ran.err
    unknown = experiment("start", "ecommerce", "pay")
    assert "nothing is known of the traffic of ecommerce yet" in unknown.err


def test_a_layer_that_is_taken_is_refused_and_another_one_is_not() -> None:
    new("first", *COMPLETE)
    new("second", *COMPLETE, "--share", "0.6")
    new("third", *COMPLETE, "--share", "0.6", "--layer", "other")
    assert experiment("start", "ecommerce", "first", *TRAFFIC).status == 0
    refused = experiment("start", "ecommerce", "second", *TRAFFIC)
    assert refused.status == 1
    assert "second cannot be started while first runs in the layer 'default'" in refused.err
    assert "only 50.0% of the layer's people are free" in refused.err
    assert experiment("start", "ecommerce", "third", *TRAFFIC).status == 0


def test_a_file_says_the_same_as_the_options(tmp_path: Path) -> None:
    new("pay", *COMPLETE, "--json", "options.json")
    plan = json.loads(Path("options.json").read_text())["experiment"]
    Path("pay.json").write_text(json.dumps(plan))
    ran = experiment("new", "ecommerce", "--file", "pay.json", "--json", "file.json")
    assert (ran.status, "It is complete" in ran.out) == (0, True)
    assert json.loads(Path("file.json").read_text()) == {"experiment": plan, "before_start": []}
    assert to_json(from_json(plan)) == plan
    Path("pay.toml").write_text('name = "pay"\nowner = 3\n')
    assert "$.owner" in experiment("new", "ecommerce", "--file", "pay.toml").err
    Path("pay.toml").write_text('name = "pay"\nwho = "all"\n')
    assert "no field 'who'" in experiment("new", "ecommerce", "--file", "pay.toml").err


@pytest.mark.slow
def test_the_explanation_trial_is_found_with_its_gap_and_stands_in_mlflow(engine: Engine) -> None:
    from training.tracking import connect

    assert experiment("new", "ecommerce", "--explanation-trial").status == 0
    assert (
        experiment("start", "ecommerce", "explanation_trial", "--people-per-day", "9000", "--baseline", ".2").status
        == 0
    )
    began_us = now_us() - 10 * DAY_US
    log, exposures = EventLog(engine, "ecommerce"), ExposureStore(engine, "ecommerce")
    # Of a hundred in whom one of two is named: 60 reach the goal when it is treated, 30 when the other is, 20 else.
    with writing(engine) as connection:
        for named, other in (("payment", "form"), ("form", "payment")):
            for variant, goals in (("nothing", 20), ("named", 60), ("other", 30)):
                for number in range(100):
                    visitor = f"{named}-{variant}-{number}"
                    seen = Exposure(
                        "explanation_trial",
                        visitor,
                        visitor,
                        variant,
                        began_us + number,
                        f"s-{visitor}",
                        "d",
                        "payment",
                        named,
                        0,
                        other,
                    )
                    exposures.add(connection, seen)
                    if number < goals:
                        log.append(connection, [bought(visitor, began_us + 1_000)])
    ran = experiment("stop", "ecommerce", "explanation_trial", "--reason", "done", "--json", "trial.json")
    assert (ran.status, ran.err) == (0, "")
    trial = json.loads(Path("trial.json").read_text())["explanation_trial"]
    assert trial["people"] == {"nothing": 200, "named": 200, "other": 200}
    assert trial["gap"]["value"] == pytest.approx(0.3)
    # Whoever may stop at any time has to wait for the start of the sequence: a fifth of the planned size.
    assert "It is not known yet whether the named blocker is the right one to treat" in " ".join(ran.out.split())
    mlflow = connect(Path("mlruns"))
    [run] = mlflow.search_runs(experiment_names=["dropoff-ecommerce"], output_format="list")
    assert run.data.metrics["gap"] == pytest.approx(0.3)
    assert run.data.metrics["gap_low"] == pytest.approx(trial["gap"]["low"])
    assert run.data.tags["dropoff.kind"] == "explanation trial"
