"""A challenger is asked what the champion answered, counted, and never noticed by whoever waits for the answer."""

import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from conftest import VERSION, Client, OpenClient

from decisions.calibration import Calibrator, CalibratorKind
from decisions.onlookers import Answered
from decisions.risk import RiskModel
from serving.challenger import Challenger, end_challenge, keep_challenge, renew_challenger
from serving.runtime import Runtime
from storage.challenge_store import Challenge, ChallengeCounts, ChallengeStore
from storage.models import point_challenger, publish, withdraw_challenger

TROUBLES = ("view_product", "add_to_cart", "begin_checkout", "form_error", "payment_failed", "payment_failed")


def body(visitor: str) -> dict[str, Any]:
    events = [
        {"event_id": f"{visitor}-{place}", "name": name, "occurred_at": f"2026-03-01T12:{place + 10}:00Z",
         "visitor_id": visitor, "session_id": visitor, "properties": {"code": "declined", "field": "card"}}
        for place, name in enumerate(TROUBLES)
    ]  # fmt: skip
    return {"events": events, "at": "2026-03-01T12:17:00Z"}


def ask(client: Client, route: str, visitor: str) -> dict[str, Any]:
    answer = client.post(route, body(visitor))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def challenge(runtime: Runtime, model: RiskModel, **how: Any) -> Challenger:
    metrics = runtime.metrics.models
    found = Challenger(model, metrics.observe_challenger, metrics.risk_gap.observe, **({"rest": 0.0} | how))
    runtime.challenge(found)
    return found


def kept(client: Client, runtime: Runtime) -> list[Challenge]:
    store = ChallengeStore(runtime.engine, runtime.journey.name)
    if runtime.challenger is not None:
        runtime.challenger.wait()
    client.run(keep_challenge(runtime, store))
    return list(store.all())


def test_the_same_model_under_another_number_agrees_in_all(open_client: OpenClient, shop_model: RiskModel) -> None:
    client, runtime = open_client()
    challenge(runtime, replace(shop_model, version="8"))
    for number in range(4):
        ask(client, "/v1/recommend", f"v{number}")
        ask(client, "/v1/score", f"w{number}")
    [found] = kept(client, runtime)
    counts = found.counts
    assert (found.version, found.champion) == ("8", VERSION)
    assert (counts.answers, counts.failed, counts.dropped) == (8, 0, 0)
    assert (counts.same_side, counts.gap, counts.squared_gap) == (8, 0.0, 0.0)
    assert counts.same_blocker == counts.blockers
    assert counts.same_choice == pytest.approx(counts.decisions)
    assert counts.blockers > 0
    end_challenge(runtime)


def test_gaps_are_those_of_the_two_models_risks(open_client: OpenClient, shop_model: RiskModel) -> None:
    client, runtime = open_client()
    halved = Calibrator(CalibratorKind.PLATT, (1.0, -4.0))
    challenge(runtime, replace(shop_model, version="8", calibrator=halved))
    risks = [ask(client, "/v1/score", f"v{number}")["risk"] for number in range(3)]
    [found] = kept(client, runtime)
    # The log-odds are four lower.
    others = [1 / (1 + np.exp(4 - np.log(risk / (1 - risk)))) for risk in risks]
    gaps = np.abs(np.array(risks) - others)
    low = runtime.journey.policy.low_risk
    assert found.counts.gap == pytest.approx(gaps.sum())
    assert found.counts.squared_gap == pytest.approx((gaps**2).sum())
    assert found.counts.same_side == sum((a < low) == (b < low) for a, b in zip(risks, others, strict=True))
    assert gaps.min() > 0.1
    shown = runtime.show_metrics().decode()
    assert 'dropoff_challenger_answers_total{result="compared"} 3.0' in shown
    assert 'dropoff_challenger_compared_total{what="risk"} 3.0' in shown
    assert 'dropoff_challenger{journey="ecommerce",version="8"} 1.0' in shown
    assert "dropoff_challenger_risk_gap_count 3.0" in shown
    assert 'dropoff_challenger_seconds_count{step="predict"} 3.0' in shown
    end_challenge(runtime)


def test_answers_and_the_ledger_are_as_without_a_challenger(open_client: OpenClient, shop_model: RiskModel) -> None:
    client, runtime = open_client()
    alone = ask(client, "/v1/recommend", "v1")
    fewer = lightgbm.Booster(model_str=shop_model.booster.model_to_string(num_iteration=3))
    challenge(runtime, replace(shop_model, version="8", booster=fewer))
    beside = ask(client, "/v1/recommend", "v1")
    kept(client, runtime)
    same = ("risk", "leaving_soon", "blockers", "narrative", "model_version")
    assert [beside[name] for name in same] == [alone[name] for name in same]
    assert {one.model_version for one in runtime.ledger.session_decisions("v1")} == {VERSION}
    drift = runtime.drift
    assert drift is None or drift.measure(runtime.now_us(), []).rows == 2
    end_challenge(runtime)


class Broken:
    """A challenger that cannot answer, or not before it may."""

    version = "8"

    def __init__(self, may: threading.Event | None = None) -> None:
        self.may = may

    def foresee(self, *_: object) -> Any:
        if self.may is not None:
            self.may.wait(20)
        raise ArithmeticError("no number")


def test_whatever_a_challenger_raises_is_counted_and_nobody_sees_it(
    open_client: OpenClient, caplog: pytest.LogCaptureFixture
) -> None:
    client, runtime = open_client()
    challenge(runtime, Broken())  # type: ignore[arg-type]
    for number in range(3):
        ask(client, "/v1/recommend", f"v{number}")
    [found] = kept(client, runtime)
    assert found.counts == ChallengeCounts(failed=3)
    assert len([one for one in caplog.records if "failed as challenger" in one.message]) == 1
    end_challenge(runtime)


def test_a_challenger_that_is_stuck_holds_nobody_up_and_what_it_misses_is_counted(open_client: OpenClient) -> None:
    client, runtime = open_client()
    may = threading.Event()
    stuck = challenge(runtime, Broken(may))  # type: ignore[arg-type]
    ask(client, "/v1/score", "v1")
    started = time.perf_counter()
    for _ in range(300):
        ask(client, "/v1/score", "v1")
    assert time.perf_counter() - started < 15
    may.set()
    stuck.wait()
    [found] = kept(client, runtime)
    # One is being asked and 256 wait.
    assert found.counts.dropped in (301 - 257, 301 - 256)
    assert found.counts.failed == 301 - found.counts.dropped
    end_challenge(runtime)


def test_the_pointer_begins_and_ends_it_and_a_damaged_version_is_told_once(
    open_client: OpenClient, shop_model: RiskModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client, runtime = open_client()
    publish(tmp_path, "ecommerce", "8", replace(shop_model, version="8").save)
    assert client.run(renew_challenger(runtime)) == ""
    assert runtime.challenger is None
    point_challenger(tmp_path, "ecommerce", "8")
    client.run(renew_challenger(runtime))
    assert runtime.challenger is not None
    assert runtime.challenger.model.version == "8"
    # Rehearsing it is no answer.
    assert kept(client, runtime) == []
    withdraw_challenger(tmp_path, "ecommerce")
    client.run(renew_challenger(runtime))
    assert runtime.challenger is None
    (tmp_path / "models" / "ecommerce" / "8" / "model.txt").write_text("tree")
    point_challenger(tmp_path, "ecommerce", "8")
    refused = client.run(renew_challenger(runtime))
    assert "was changed after it was published (model.txt)" in refused
    assert client.run(renew_challenger(runtime, refused)) == refused
    assert len([one for one in caplog.records if "is not asked" in one.message]) == 1


def test_a_challenger_is_held_back_by_what_held_the_champion_back(open_client: OpenClient) -> None:
    client, runtime = open_client()
    answers: list[Answered] = []
    runtime.scorer = replace(runtime.scorer, why_not=lambda: "the budget is used up", second=answers.append)
    ask(client, "/v1/recommend", "v1")
    [answered] = answers
    assert answered.decision is not None
    assert "the budget is used up" in answered.decision.excluded.values()
    # The budget has been renewed by the time at which the challenger is asked.
    _, decision = answered.ask(replace(runtime.scorer, why_not=lambda: None))
    assert decision is not None
    assert decision.excluded == answered.decision.excluded


def test_whatever_hinders_a_challenger_is_told_and_the_next_one_is_asked(
    open_client: OpenClient, shop_model: RiskModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client, runtime = open_client()
    publish(tmp_path, "ecommerce", "9", replace(shop_model, version="9").save)
    # No file can have such a name.
    (tmp_path / "models" / "ecommerce" / "challenger").write_text("8" * 300)
    refused = client.run(renew_challenger(runtime))
    assert "File name too long" in refused
    assert runtime.challenger is None
    assert client.run(renew_challenger(runtime, refused)) == refused
    assert len([one for one in caplog.records if "is not asked" in one.message]) == 1
    point_challenger(tmp_path, "ecommerce", "9")
    assert client.run(renew_challenger(runtime, refused)) == ""
    assert runtime.challenger is not None
    end_challenge(runtime)


def test_a_copy_of_another_version_is_no_challenger(
    open_client: OpenClient, shop_model: RiskModel, tmp_path: Path
) -> None:
    client, runtime = open_client()
    publish(tmp_path, "ecommerce", "9", replace(shop_model, version="8").save)
    point_challenger(tmp_path, "ecommerce", "9")
    assert "holds a copy of version 8" in client.run(renew_challenger(runtime))
    assert runtime.challenger is None
