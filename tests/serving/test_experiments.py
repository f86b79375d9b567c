"""A running experiment in the service: who is in it, what is answered, and what is kept of it."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from starlette.applications import Starlette

from decisions.assignment import in_holdout
from decisions.experiments import AS_USUAL, NOTHING, ExperimentPlan, Population, Variant, to_json
from decisions.layers import draw_variant
from decisions.risk import RiskModel
from journeys.journey import Journey
from serving.app import attach, create_app
from serving.configuration import Configuration
from serving.experiments import renew_experiments, watch_experiments
from serving.open_runtime import open_runtime
from serving.runtime import Runtime
from serving.times import show_time
from storage.crossovers import count_crossovers
from storage.database import database_url, writing
from storage.exposure_store import Exposure
from storage.models import point_champion, publish
from storage.registry_tables import registry_files
from storage.shared_registry import shared_home

TROUBLES = ("view_product", "add_to_cart", "begin_checkout", "form_error", "payment_failed", "payment_failed")
PLAN = ExperimentPlan("halves", variants=(Variant("usual", AS_USUAL), Variant("none", NOTHING)))

Opening = Callable[..., tuple[Any, Runtime]]


@pytest.fixture
def opening(
    tmp_path: Path, shop: Journey, shop_model: RiskModel, clock: Any, client_of: Callable[[Starlette], Any]
) -> Iterator[Opening]:
    """Open a service that recommends, whatever the risk, to 19 of 20; again is a restart on the same database."""
    willing = {"stages": tuple(stage.name for stage in shop.stages), "treats": shop.frictions}
    worth = {"prior_effect": 1.0, "cost": 0.0, "cost_if_converted": 0.0, "cap": 3, "cooldown_seconds": 0.0}
    policy = replace(
        shop.policy, low_risk=0.0, holdout=0.05, exploration=0.0, annoyance=0.0, session_cap=9, nudge_within_seconds=0.0
    )
    keen = replace(
        shop, policy=policy, interventions=tuple(replace(one, **willing, **worth) for one in shop.interventions)
    )
    opened: list[Runtime] = []

    def open_again(**settings: Any) -> tuple[Any, Runtime]:
        while opened:
            opened.pop().close()
        runtime = open_runtime(Configuration(home=tmp_path, **settings), keen, shop_model, clock)
        opened.append(runtime)
        app = create_app()
        attach(app, runtime)
        client = client_of(app)
        client.run(renew_experiments(runtime))
        return client, runtime

    yield open_again
    while opened:
        opened.pop().close()


def start(runtime: Runtime, plan: ExperimentPlan = PLAN) -> None:
    with writing(runtime.engine) as connection:
        runtime.experiments.write_draft(connection, to_json(plan), layer=plan.layer, actor="test", now_us=1)
        runtime.experiments.start(connection, plan.name, ((0, 1_000),), actor="test", now_us=2)


def stop(runtime: Runtime) -> None:
    with writing(runtime.engine) as connection:
        runtime.experiments.stop(connection, "halves", "over", actor="test", now_us=3)


def visit(client: Any, clock: Any, visitor: str, user: str | None = None, device: str = "mobile") -> None:
    for name in TROUBLES:
        clock.advance(5)
        call: dict[str, Any] = {
            "messageId": f"{visitor}-{clock.now_us}",
            "anonymousId": visitor,
            "event": name,
            "timestamp": show_time(clock.now_us),
            "properties": {"product": "p1", "basket_value": 40.0, "shipping": 9.0, "field": "card"},
            "context": {"device": {"type": device}},
        }
        assert client.post("/v1/track", call | ({"userId": user} if user else {})).status_code == 200


def ask(client: Any, visitor: str) -> dict[str, Any]:
    answer = client.post("/v1/recommend", {"visitor_id": visitor, "consent": True})
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_people_are_divided_answered_and_kept_with_their_first_exposure(opening: Opening, clock: Any) -> None:
    client, runtime = opening()
    visit(client, clock, "before")
    assert ask(client, "before")["experiment"] is None
    start(runtime)
    client.run(renew_experiments(runtime))
    answers = {}
    for number in range(30):
        visitor = f"v{number}"
        visit(client, clock, visitor)
        first, second = ask(client, visitor), ask(client, visitor)
        if first["reason"] != "no_blocker":
            answers[visitor] = first
            assert second["experiment"] == first["experiment"]
    exposures = {one.visitor_id: one for one in runtime.exposures.of_experiment("halves")}
    held_out = {visitor for visitor, answer in answers.items() if answer["holdout"]}
    assert answers.keys() - held_out == exposures.keys()
    variants = set()
    for visitor, exposure in exposures.items():
        answer = answers[visitor]
        variant = draw_variant("ecommerce", PLAN, exposure.assignment_id)[0].name
        variants.add(variant)
        assert answer["experiment"] == {"name": "halves", "variant": variant}
        assert exposure.variant == variant
        # The first decision exposes, and those after it change nothing.
        assert exposure.decision_id == answer["decision_id"]
        assert (exposure.stage, exposure.blocker) == (answer["stage"], answer["blockers"][0]["friction"])
        assert not in_holdout("ecommerce", exposure.assignment_id, 0.05)
        # Usual is sure of one intervention, so that both have half the people.
        assert answer["propensity"] == 0.5
        assert (answer["recommendation"] is None) == (variant == "none")
        assert answer["reason"] == ("experiment" if variant == "none" else "best_value")
    assert variants == {"usual", "none"}
    for visitor in held_out:
        assert answers[visitor]["experiment"] is None
    # The session's story has it.
    visitor, exposure = next(iter(exposures.items()))
    story = client.get(f"/v1/sessions/{exposure.session_id}").json()
    assert story["decisions"][0]["experiment"] == answers[visitor]["experiment"]
    assert runtime.ledger.visitor_decisions(visitor)[0].variant == exposure.variant
    # Erasing a visitor erases the exposure.
    assert client.request("DELETE", f"/v1/visitors/{visitor}").json()["exposures"] == 1
    assert visitor not in {one.visitor_id for one in runtime.exposures.of_experiment("halves")}


def test_a_variant_outlives_a_restart_and_is_kept_when_another_device_logs_in(opening: Opening, clock: Any) -> None:
    client, runtime = opening()
    start(runtime)
    client.run(renew_experiments(runtime))
    met = {}
    for number in range(12):
        visit(client, clock, f"phone{number}", f"user{number}")
        met[number] = ask(client, f"phone{number}")["experiment"]
    client, runtime = opening()
    for number, experiment in met.items():
        assert ask(client, f"phone{number}")["experiment"] == experiment
        # A new device of the same user takes the user's side along.
        visit(client, clock, f"laptop{number}", f"user{number}", device="desktop")
        assert ask(client, f"laptop{number}")["experiment"] == experiment
    assert len({str(one) for one in met.values() if one}) == 2
    assert count_crossovers(runtime.engine, "ecommerce", "halves") == 0


def test_a_user_whose_devices_met_different_variants_is_a_crossover(opening: Opening, clock: Any) -> None:
    client, runtime = opening()
    for visitor, variant in (("a1", "usual"), ("a2", "none"), ("b1", "usual"), ("b2", "usual")):
        visit(client, clock, visitor, f"user {visitor[0]}")
        with writing(runtime.engine) as connection:
            runtime.exposures.add(connection, Exposure("halves", visitor, visitor, variant, 1, "s", "d", None, None, 0))
    assert count_crossovers(runtime.engine, "ecommerce", "halves") == 1
    assert count_crossovers(runtime.engine, "ecommerce", "another") == 0


def test_only_the_population_is_exposed_and_nobody_after_the_stop(opening: Opening, clock: Any) -> None:
    client, runtime = opening()
    start(runtime, replace(PLAN, population=Population(cohorts={"device": ("desktop",)})))
    client.run(renew_experiments(runtime))
    devices = {f"{device}{number}": device for device in ("mobile", "desktop") for number in range(4)}
    for visitor, device in devices.items():
        visit(client, clock, visitor, device=device)
        ask(client, visitor)
    exposed = {one.visitor_id for one in runtime.exposures.of_experiment("halves")}
    assert exposed
    assert {devices[visitor] for visitor in exposed} == {"desktop"}
    stop(runtime)
    client.run(renew_experiments(runtime))
    for visitor in exposed:
        assert ask(client, visitor)["experiment"] is None


def test_a_service_notices_a_start_and_a_stop_by_itself(opening: Opening) -> None:
    client, runtime = opening()

    async def noticing() -> None:
        watching = asyncio.create_task(watch_experiments(runtime, look_seconds=0.01))
        for change, expected in ((start, ["halves"]), (stop, [])):
            await asyncio.to_thread(change, runtime)
            async with asyncio.timeout(5):
                while [one.plan.name for one in runtime.scorer.experiments] != expected:
                    await asyncio.sleep(0.01)
        watching.cancel()

    client.run(noticing())


def test_an_experiment_that_cannot_be_read_exposes_nobody(opening: Opening, clock: Any, caplog: Any) -> None:
    client, runtime = opening()
    with writing(runtime.engine) as connection:
        wrong = to_json(PLAN) | {"who": "all"}
        runtime.experiments.write_draft(connection, wrong, layer="default", actor="test", now_us=1)
        runtime.experiments.start(connection, "halves", ((0, 1_000),), actor="test", now_us=2)
    client.run(renew_experiments(runtime))
    assert "The experiment halves is not applied" in caplog.text
    visit(client, clock, "v")
    assert ask(client, "v")["experiment"] is None


def test_an_experiment_ends_also_where_the_shared_registry_is_damaged(
    opening: Opening, shop_model: RiskModel, tmp_path: Path
) -> None:
    client, runtime = opening(database_url=database_url(tmp_path / "shared"))
    start(runtime)
    with shared_home(runtime.engine, tmp_path / "operator", "ecommerce"):
        publish(tmp_path / "operator", "ecommerce", "8", replace(shop_model, version="8").save)
        point_champion(tmp_path / "operator", "ecommerce", "8")
    with writing(runtime.engine) as connection:
        connection.execute(update(registry_files).values(content=b"torn"))
    client.run(renew_experiments(runtime))
    assert [one.plan.name for one in runtime.trying] == ["halves"]
    stop(runtime)
    client.run(renew_experiments(runtime))
    assert runtime.trying == ()
