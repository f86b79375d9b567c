"""A new version of the policy on its way through the real service: shadow, experiment, live, and back."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from few_decisions import drawn, texts
from off_policy_offers import OFFERED, SETTINGS
from sqlalchemy import insert
from starlette.applications import Starlette

from decisions.experiments import ExperimentPlan, to_json
from decisions.off_policy.evaluate import Evaluation, evaluate
from decisions.off_policy.priors import WeighablePriors
from decisions.policy_files import save_policy
from decisions.risk import RiskModel
from decisions.rollout import CANDIDATE, LIVE, Gates
from insights.experiments.analyse import analyse
from insights.experiments.people import ExposureTable, OutcomeTable
from insights.experiments.question import Guard, Measure, Question
from insights.experiments.result import Analysis
from insights.rollouts.advance import Advanced, promote
from insights.rollouts.ground import Ground, RolloutRefused
from insights.rollouts.say import rollout_rows, say_advanced, say_rollout
from insights.rollouts.say import to_json as rollouts_to_json
from insights.rollouts.take_back import reason_to_take_back, take_back, version_to_take_back
from journeys.journey import Journey
from journeys.weigh import standing_policy
from serving.app import attach, create_app
from serving.configuration import Configuration
from serving.experiments import renew_experiments
from serving.open_runtime import open_runtime
from serving.policies import renew_policy
from serving.rollout import end_shadow, keep_shadow, look_once, renew_shadow
from serving.runtime import Runtime
from storage.audit import read_audit
from storage.database import writing
from storage.experiment_store import ExperimentStore, Status
from storage.ledger import Outcome
from storage.policies import PolicyNotFound, live_history, live_version, publish_policy
from storage.record_store import load_records
from storage.rollout_store import RolloutStore, ShadowCounts, Step
from storage.tables import decisions, outcomes

TROUBLES = ("view_product", "add_to_cart", "begin_checkout", "form_error", "payment_failed", "payment_failed")
GATES = Gates(compared=4)


@dataclass
class Service:
    """A service in this process, and what moves rollouts beside it."""

    client: Any
    runtime: Runtime

    @property
    def store(self) -> RolloutStore:
        return RolloutStore(self.runtime.engine, self.runtime.journey.name)

    @property
    def ground(self) -> Ground:
        runtime = self.runtime
        home = runtime.configuration.home
        return Ground(runtime.engine, home, runtime.journey, "ann", runtime.now_us(), GATES)

    def publish(self, version: str) -> None:
        ground = self.ground
        policy = WeighablePriors(ground.journey.policy, ground.journey.interventions)
        publish_policy(ground.home, ground.journey.name, version, lambda folder: save_policy(folder, policy))

    def promote(self, version: str = "5", **how: Any) -> Advanced:
        given: dict[str, Any] = {"weigh": worth, "start": self.start, "analyse": partial(tried, 0.12)}
        return promote(self.ground, version, **(given | how))

    def start(self, plan: ExperimentPlan) -> None:
        store = ExperimentStore(self.runtime.engine, self.runtime.journey.name)
        with writing(self.runtime.engine) as connection:
            store.write_draft(connection, to_json(plan), layer=plan.layer, actor="ann", now_us=1)
            store.start(connection, plan.name, ((0, 1_000),), actor="ann", now_us=1)

    def ask(self, visitor: str) -> None:
        """Let a visitor run into trouble, and ask what to do."""
        events = [
            {"event_id": f"{visitor}-{place}", "name": name, "occurred_at": f"2026-03-01T12:{place + 10}:00Z",
             "visitor_id": visitor, "session_id": visitor, "properties": {"code": "declined", "field": "card"}}
            for place, name in enumerate(TROUBLES)
        ]  # fmt: skip
        answer = self.client.post("/v1/recommend", {"events": events, "at": "2026-03-01T12:17:00Z"})
        assert answer.status_code == 200, answer.text

    def look(self) -> None:
        """Let the service look at the rollout, as it does every few seconds."""
        self.client.run(renew_shadow(self.runtime, self.store))

    def keep(self) -> None:
        if self.runtime.shadow is not None:
            self.runtime.shadow.wait()
        self.client.run(keep_shadow(self.runtime, self.store))


@pytest.fixture
def service(
    tmp_path: Path, shop: Journey, shop_model: RiskModel, clock: Any, client_of: Callable[[Starlette], Any]
) -> Iterator[Service]:
    """A service that may recommend everything to everybody who runs into trouble."""
    keen = replace(shop, policy=replace(shop.policy, low_risk=0.0, holdout=0.0, only_matching=False))
    willing = {"stages": tuple(stage.name for stage in shop.stages)}
    keen = replace(keen, interventions=tuple(replace(one, **willing) for one in shop.interventions))
    runtime = open_runtime(Configuration(home=tmp_path), keen, shop_model, clock)
    app = create_app()
    attach(app, runtime)
    found = Service(client_of(app), runtime)
    found.publish("5")
    yield found
    end_shadow(runtime)
    runtime.close()


def worth() -> Evaluation:
    """What a version would bring that chats more often than the live policy."""
    same = np.tile([0.2, 0.4, 0.4], (3_000, 1))
    return evaluate(drawn(1, 3_000), same, OFFERED, SETTINGS, before=same)


def tried(rate: float, name: str, dismissed: float = 0.01) -> Analysis:
    """The analysis of an experiment in which 8 % reach the goal with the live policy, ``rate`` with the candidate."""
    people = 6_000
    arms = np.array([LIVE, CANDIDATE] * (people // 2))
    reached, annoyed = np.zeros(people), np.zeros(people)
    for arm, share, bothered in ((LIVE, 0.08, 0.01), (CANDIDATE, rate, dismissed)):
        places = np.random.default_rng(1).permutation(np.flatnonzero(arms == arm))
        reached[places[: round(share * len(places))]] = 1
        annoyed[places[: round(bothered * len(places))]] = 1
    units = texts(range(people))
    question = Question(
        Measure("goal"),
        guards=(Guard(Measure("dismissed", more_is_better=False), 0.02, absolute=True),),
        control=LIVE,
        minimum_effect=0.1,
        planned_per_arm=3_000,
    )
    exposures = ExposureTable(units, texts(arms), np.arange(people))
    return analyse(exposures, OutcomeTable(units, {"goal": reached, "dismissed": annoyed}), question)


def test_a_version_goes_live_through_shadow_and_experiment_and_is_taken_back_by_itself(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    ground, name = service.ground, service.runtime.journey.name
    assert (first := service.promote()).step is Step.SHADOW
    assert "asked in the shadow from now on" in say_advanced(name, first)
    service.look()
    for number in range(8):
        service.ask(f"v{number}")
    waiting = service.promote()
    assert not waiting.moved
    assert "decisions compared: 0, has to be at least 4" in say_advanced(name, waiting)
    service.keep()
    seen = service.store.find("5")
    assert seen is not None
    # The version has the propensities of what decides.
    assert seen.shadow.compared >= 4
    assert seen.shadow.agreement == pytest.approx(seen.shadow.compared)
    assert b"dropoff_shadow_decisions_total" in service.runtime.show_metrics()
    assert "decisions compared" in say_rollout(service.store.rollouts())

    assert service.promote().step is Step.EXPERIMENT
    service.look()
    assert service.runtime.shadow is None
    assert not service.promote(analyse=partial(tried, 0.081)).moved
    service.client.run(renew_experiments(service.runtime))
    service.ask("tried")
    exposed = list(service.runtime.exposures.of_experiment("rollout_5"))
    # Both variants have the same propensities, so that nobody meets a difference.
    assert exposed == []

    assert service.promote().step is Step.LIVE
    assert live_version(ground.home, name) == "5"
    [experiment] = ExperimentStore(service.runtime.engine, name).all()
    assert experiment.status is Status.STOPPED
    service.client.run(renew_policy(service.runtime))
    assert service.runtime.deciding is not None
    assert service.runtime.deciding.live == "5"
    # Nobody is harmed yet.
    service.client.run(look_once(service.runtime))
    assert live_version(ground.home, name) == "5"

    fill_ledger(service, treated_rate=0.02, held_out_rate=0.1)
    with caplog.at_level(logging.WARNING, "dropoff.serving"):
        service.client.run(look_once(service.runtime))
    standing = standing_policy(service.runtime.journey).version
    assert live_version(ground.home, name) == standing
    assert [line.version for line in live_history(ground.home, name).promotions] == [standing, "5", standing]
    found = service.store.find("5")
    assert found is not None
    assert (found.step, "held out at random" in found.reason) == (Step.ROLLED_BACK, True)
    assert f"{standing} decides" in caplog.text
    assert "was taken back" in service.runtime.records.annotations()[-1].text
    with service.runtime.engine.connect() as connection:
        audited = [entry for entry in read_audit(connection, name) if entry.subject == "policy 5"]
    assert [entry.after and entry.after["step"] for entry in audited] == [
        "shadow",
        "experiment",
        "live",
        "rolled back",
    ]
    [(version, step, _, against, known)] = rollout_rows(load_records(service.runtime.engine, name).rollouts)
    assert (version, step, against, known) == ("5", "rolled back", standing, found.reason)
    service.client.run(renew_policy(service.runtime))
    assert service.runtime.deciding.live == standing
    service.ask("later")


def fill_ledger(service: Service, treated_rate: float, held_out_rate: float) -> None:
    """6,000 people after the version went live, one in six held out, at rates that no chance explains."""
    runtime, at_us = service.runtime, service.runtime.now_us() + 1
    columns = [column.name for column in decisions.columns]
    base = {
        "journey": runtime.journey.name, "at_us": at_us, "decided_at_us": at_us, "stage": "payment", "events_seen": 3,
        "risk": 0.9, "blockers": "[]", "narrative": "", "eligible": "[]", "excluded": "{}", "propensities": "{}",
        "propensity": 1.0, "reason": "best_value", "policy_version": "5", "model_version": "7",
    }  # fmt: skip
    rows, reached = [], []
    for number in range(6_000):
        held = number % 6 == 0
        rows.append(base | {"decision_id": f"f{number}", "session_id": f"f{number}", "visitor_id": f"f{number}",
                            "holdout": held, "reason": "holdout" if held else "best_value"})  # fmt: skip
        place, rate = number // 6, held_out_rate if held else treated_rate
        if (place % 100) < 100 * rate:
            reached.append({"decision_id": f"f{number}", "outcome": Outcome.CONVERTED.value, "at_us": at_us})
    assert set(base) <= set(columns)
    with writing(runtime.engine) as connection:
        connection.execute(insert(decisions), rows)
        connection.execute(insert(outcomes), reached)


def test_a_version_that_a_guardrail_stops_in_the_experiment_is_taken_back(service: Service) -> None:
    service.promote()
    service.look()
    for number in range(8):
        service.ask(f"v{number}")
    service.keep()
    assert service.promote().step is Step.EXPERIMENT
    # As many goals, five times as many dismissals.
    harmful = partial(tried, 0.08, dismissed=0.06)
    assert reason_to_take_back(service.ground, partial(tried, 0.08)) is None
    found = reason_to_take_back(service.ground, harmful)
    assert found is not None
    rollout, reason = found
    assert "the guardrail dismissed is broken" in reason
    assert take_back(service.ground, rollout, reason) == standing_policy(service.runtime.journey).version
    [experiment] = ExperimentStore(service.runtime.engine, service.runtime.journey.name).all()
    assert (experiment.status, experiment.stopped_for) == (Status.STOPPED, reason)
    with pytest.raises(RolloutRefused, match="is live or on its way"):
        version_to_take_back(service.ground)


def test_what_the_log_does_not_support_stays_where_it_is(service: Service) -> None:
    advanced = service.promote(weigh=lambda: replace(worth(), reasons=("too few decisions",)))
    assert (advanced.step, advanced.moved, service.store.rollouts()) == (None, False, ())
    assert "cannot be asked in the shadow yet. Missing: supported by the log: no" in say_advanced("shop", advanced)


def test_one_version_is_on_its_way_at_a_time(service: Service) -> None:
    service.publish("6")
    service.promote()
    with pytest.raises(RolloutRefused, match="version 5 is in the shadow already"):
        service.promote("6")
    take_back(service.ground, version_to_take_back(service.ground), "by hand")
    assert service.promote("6").step is Step.SHADOW


def test_of_two_versions_promoted_at_once_one_is_on_its_way(service: Service) -> None:
    service.publish("6")

    def weigh() -> Evaluation:
        service.promote("6")
        return worth()

    with pytest.raises(RolloutRefused, match="version 6 came into the shadow meanwhile"):
        service.promote(weigh=weigh)
    assert [one.version for one in service.store.rollouts()] == ["6"]


def go_live(service: Service, version: str) -> None:
    service.promote(version)
    rollout = service.store.find(version)
    assert rollout is not None
    seen = ShadowCounts(compared=10, agreement=10.0)
    with writing(service.runtime.engine) as connection:
        service.store.count(connection, version, seen)
    service.promote(version)
    assert service.promote(version).step is Step.LIVE


def test_the_version_before_is_watched_again_once_it_decides_again(service: Service) -> None:
    service.publish("6")
    go_live(service, "5")
    go_live(service, "6")
    assert steps(service) == {"5": "replaced", "6": "live"}
    assert take_back(service.ground, version_to_take_back(service.ground), "too pushy") == "5"
    assert steps(service) == {"5": "live", "6": "rolled back"}
    fill_ledger(service, treated_rate=0.02, held_out_rate=0.1)
    service.client.run(look_once(service.runtime))
    assert steps(service) == {"5": "rolled back", "6": "rolled back"}


def steps(service: Service) -> dict[str, str]:
    return {one.version: one.step.value for one in service.store.rollouts()}


def test_a_harmful_version_goes_even_where_the_one_before_it_is_damaged(service: Service) -> None:
    go_live(service, "5")
    home, name = service.ground.home, service.runtime.journey.name
    standing = standing_policy(service.runtime.journey).version
    (home / "policies" / name / standing / "policy.json").write_text("{}")
    assert take_back(service.ground, version_to_take_back(service.ground), "too pushy") == standing
    assert live_version(home, name) is None
    found = service.store.find("5")
    assert found is not None
    assert f"version {standing}, which was live before, can no longer decide" in found.reason
    service.client.run(renew_policy(service.runtime))
    service.ask("later")


def test_a_version_that_was_never_published_is_refused(service: Service) -> None:
    with pytest.raises(PolicyNotFound, match="no policy version '9'"):
        service.promote("9")


def test_a_version_that_cannot_be_read_is_told_once_and_harms_nobody(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.promote()
    (service.ground.home / "policies" / service.runtime.journey.name / "5" / "policy.json").write_text("{}")
    with caplog.at_level(logging.WARNING, "dropoff.serving"):
        refused = service.client.run(renew_shadow(service.runtime, service.store))
        assert service.client.run(renew_shadow(service.runtime, service.store, refused)) == "5"
    assert caplog.text.count("is not asked in the shadow") == 1
    assert service.runtime.shadow is None
    service.ask("v1")


def test_the_status_serialises_with_the_figures_of_the_gate(service: Service) -> None:
    service.promote()
    found = rollouts_to_json(None, service.store.rollouts(), GATES)
    [rollout] = found["rollouts"]
    assert (rollout["step"], rollout["compared"]) == ("shadow", 0)
    assert [figure["passed"] for figure in rollout["gates"]["shadow"]] == [False, True, True, False, False]
    assert rollout["gates"]["offline"][0]["passed"] is True
