"""A real Prometheus asks a real service with two workers: every query of every dashboard and alert finds something."""

import json
import re
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus import promtool
from servers import ROOT, Service, free_port, require, serving, wait_for

sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

from conftest import shop, shop_model
from test_drift import made_rows, snapshot_of

from benchmarks.prometheus import SHIPPED, Prometheus, watching
from deploy.dashboards.__main__ import DASHBOARDS, FOLDER, to_text
from serving.times import show_time
from storage.models import point_champion, publish

__all__ = ["shop", "shop_model"]  # fixtures

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prometheus")]

GROUPS = yaml.safe_load((SHIPPED / "alerts.yml").read_text(encoding="utf-8"))["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = [rule for rule in RULES if "alert" in rule]
PANELS = [
    (file.stem, panel["title"], target["expr"])
    for file in sorted(FOLDER.glob("*.json"))
    for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]
    for target in panel.get("targets", [])
]
VISITORS = 30
_STEPS = ("page_view", "view_product", "add_to_cart", "begin_checkout", "payment_failed", "form_error")
_TIMES = {"$job": "dropoff", "$__rate_interval": "5m", "$__range": "5m"}


def asked(expression: str) -> str:
    """A query as Grafana asks it, with its variables put in."""
    for name, value in _TIMES.items():
        expression = expression.replace(name, value)
    return expression


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, shop: Any, shop_model: Any) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("metrics") / "home"
    watched = replace(shop_model, snapshot=snapshot_of(shop.table, made_rows(shop.table, 2_000, 1)))
    publish(home, watched.journey, "7", watched.save)
    point_champion(home, watched.journey, "7")
    with serving(
        "ecommerce",
        home,
        "--workers",
        "2",
        insights_refresh=0,
        late_seconds=0,
        sweep_seconds=0.2,
        reward_seconds=0.2,
        learn_seconds=0.2,
        lease_seconds=1.0,
        follow_up_url=f"http://127.0.0.1:{free_port()}/",
        follow_up_secret="s3cret",  # noqa: S106
    ) as running:
        yield running


@pytest.fixture(scope="module")
def prometheus(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    require(shutil.which("prometheus"), "Prometheus", "prometheus")
    with watching(tmp_path_factory.mktemp("prometheus"), [service.url.removeprefix("http://")]) as started:
        wait_for(lambda: bool(started.find("dropoff_model == 1")))
        use(service, started)
        judged = "sum(dropoff_calibration_sessions_total) > 29.5 and sum(dropoff_policy_rewards_behind) == 0"
        wait_for(lambda: bool(started.find(judged)), seconds=60)
        # Rules have to see what has been scraped.
        recorded = [rule["record"] for rule in RULES if "record" in rule]
        wait_for(lambda: all(started.find(name) for name in recorded), seconds=60)
        yield started


@pytest.fixture(scope="module")
def moment(prometheus: Prometheus) -> float:
    """When all was done that is asked about, in seconds since 1970: while it is asked about nothing grows old."""
    return time.time()


def use(service: Service, prometheus: Prometheus) -> None:
    """Walk visitors through the shop two hours ago, so that their sessions are over; ask, and make mistakes."""
    began_us = (time.time_ns() // 1_000) - 7_200 * 1_000_000
    with httpx.Client(base_url=service.url) as client:

        def post(address: str, body: Any, expected: int = 200) -> Any:
            answer = client.post(address, json=body)
            assert answer.status_code == expected, answer.text
            return answer.json()

        for visitor in range(VISITORS):
            calls = [
                {
                    "type": "track",
                    "anonymousId": f"v{visitor}",
                    "event": name,
                    "messageId": f"{visitor}-{number}",
                    "timestamp": show_time(began_us + (visitor + 20 * number) * 1_000_000),
                }
                for number, name in enumerate(_STEPS)
            ]
            ended = {**calls[-1], "event": "purchase", "messageId": f"{visitor}-end"}
            ended["timestamp"] = show_time(began_us + (visitor + 180) * 1_000_000)
            # The session is over by the clock at once: all that is known of it has to come together.
            post("/v1/batch", {"batch": [*calls, *([ended] if visitor % 3 == 0 else [])]})
            post("/v1/track", {"anonymousId": f"live-{visitor}", "event": "view_product", "messageId": f"l{visitor}"})
            post("/v1/score", {"visitor_id": f"live-{visitor}"})
        # What comes of a decision is looked for at once only where the end of its session is known.
        wait_for(lambda: closed(client.get("/metrics").text) == VISITORS)
        for visitor in range(VISITORS):
            at = show_time(began_us + (visitor + 140) * 1_000_000)
            told = post("/v1/recommend", {"visitor_id": f"v{visitor}", "at": at})
            post("/v1/outcome", {"decision_id": told["decision_id"], "outcome": "shown"})
            if not visitor:
                # Rates see no rise in a series that begins with it: the other visitors come after the first look.
                wait_for(lambda: bool(prometheus.find('dropoff_request_seconds_count{route="/v1/outcome"} == 1')))
        post("/v1/track", {"anonymousId": "v0", "event": "never-heard-of", "messageId": "odd"})
        post("/v1/score", {"visitor_id": "nobody"}, 404)
        post("/v1/score", [], 422)
        assert client.get("/v1/unheard-of").status_code == 404


def closed(metrics: str) -> float:
    return sum(
        float(line.split()[-1]) for line in metrics.splitlines() if line.startswith("dropoff_sessions_closed_total")
    )


@pytest.mark.parametrize(("dashboard", "title", "expression"), PANELS, ids=lambda value: str(value)[:50])
def test_a_query_of_a_dashboard_finds_something(
    prometheus: Prometheus, moment: float, dashboard: str, title: str, expression: str
) -> None:
    assert prometheus.find(asked(expression), moment), (dashboard, title, expression)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_finds_what_it_watches_and_does_not_fire_at_a_service_that_is_well(
    prometheus: Prometheus, moment: float, rule: dict[str, Any]
) -> None:
    firing = [one["labels"]["alertname"] for one in prometheus.ask("alerts")["alerts"] if one["state"] == "firing"]
    assert rule["alert"] not in firing
    if not rule["expr"].startswith("absent"):
        # With `bool`, a comparison says no where it otherwise finds nothing; and there was no time before this one.
        compared = re.sub(r"(>|<|==) (?!bool)", r"\1 bool ", rule["expr"].replace("offset 15m", ""))
        assert prometheus.find(compared, moment), compared


def test_all_rules_are_evaluated_without_an_error_and_record_something(prometheus: Prometheus, moment: float) -> None:
    rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert len(rules) == len(RULES)
    for rule in rules:
        assert (rule["health"], rule.get("lastError", "")) == ("ok", ""), rule["name"]
        if rule["type"] == "recording":
            assert prometheus.find(rule["name"], moment), rule["name"]


def test_what_was_done_is_what_prometheus_knows(prometheus: Prometheus, moment: float) -> None:
    def total(query: str) -> float:
        return sum(value for _, value in prometheus.find(query, moment))

    assert total('dropoff_requests_total{route="/v1/recommend", status="200"}') == VISITORS
    assert total('dropoff_requests_total{route="/v1/score", status=~"4.."}') == 2
    assert total('dropoff_requests_total{route="unserved", status="404"}') == 1
    assert total("dropoff_decisions_total") == total("dropoff_recommendations_total") == VISITORS
    assert total("dropoff_risk_count") == 2 * VISITORS
    assert total("dropoff_calibration_sessions_total") == pytest.approx(VISITORS)
    # A third of the visitors came to the goal.
    assert total("dropoff_calibration_abandoned_total") == pytest.approx(VISITORS * 2 / 3)
    assert total('dropoff_sessions_closed_total{outcome="goal"}') == VISITORS / 3
    assert total("dropoff_rewards_total") == VISITORS
    assert total('dropoff_duty_held{duty="sweep"}') == 1
    # Those who only looked are open, and the one who did something odd.
    assert total("dropoff_sessions_waiting") == VISITORS + 1
    # Memory is told of each worker.
    assert len(prometheus.find("dropoff_process_resident_bytes", moment)) == 2
    assert total("dropoff_ledger_lag_seconds") == 0


def test_no_metric_is_shown_that_nobody_looks_at_nor_one_looked_at_that_nobody_shows(prometheus: Prometheus) -> None:
    shown = {name for name in prometheus.ask("label/__name__/values") if name.startswith("dropoff_")}
    asked_for = " ".join([*(expression for _, _, expression in PANELS), *(rule["expr"] for rule in RULES)])
    named = set(re.findall(r"(?<![:\w])dropoff_\w+", asked_for))
    of_families = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in shown}
    told = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    for name in sorted(of_families):
        assert f"`{name}`" in told or f"`{name.removesuffix('_total')}`" in told, name
    assert {name for name in named if name not in shown} == set()


def test_the_rules_and_the_configuration_are_well_formed() -> None:
    checked = promtool("check", "config", "prometheus.yml")
    assert checked.returncode == 0, checked.stderr


def test_a_service_on_the_same_machine_is_watched_as_the_comments_say(tmp_path: Path) -> None:
    text = (SHIPPED / "prometheus.yml").read_text(encoding="utf-8")
    without_names = text[: text.index("    dns_sd_configs:")]
    static = re.sub(r"^    # (static_configs:|  - targets: \[.127)", r"    \1", without_names, flags=re.MULTILINE)
    [job] = yaml.safe_load(static)["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["127.0.0.1:3000"]}]
    shutil.copy(SHIPPED / "alerts.yml", tmp_path)
    (tmp_path / "prometheus.yml").write_text(static, encoding="utf-8")
    checked = promtool("check", "config", str(tmp_path / "prometheus.yml"))
    assert checked.returncode == 0, checked.stderr


def test_every_alert_fires_when_it_should_and_not_when_it_should_not() -> None:
    cases = yaml.safe_load((SHIPPED / "alerts_test.yml").read_text(encoding="utf-8"))["tests"]
    tested = [(one["alertname"], bool(one["exp_alerts"])) for case in cases for one in case["alert_rule_test"]]
    assert sorted(tested) == sorted((rule["alert"], fires) for rule in ALERTS for fires in (False, True))
    ran = promtool("test", "rules", "alerts_test.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one.uid)
def test_the_files_of_dashboards_are_what_is_declared(dashboard: Any) -> None:
    written = (FOLDER / f"{dashboard.uid}.json").read_text(encoding="utf-8")
    assert written == to_text(dashboard), "run: python -m deploy.dashboards"
    panels = json.loads(written)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_every_alert_has_its_place_in_the_guide() -> None:
    guide = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    headings = {heading.lower() for heading in re.findall(r"^#+ (\w+)$", guide, re.MULTILINE)}
    for rule in ALERTS:
        file, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert (file, anchor) == ("docs/observability.md", rule["alert"].lower())
        assert anchor in headings


def test_grafana_is_told_where_the_dashboards_and_prometheus_are_among_the_containers() -> None:
    deploy = ROOT / "deploy"
    provisioning = deploy / "grafana" / "provisioning"
    [source] = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text(encoding="utf-8"))[
        "datasources"
    ]
    [provider] = yaml.safe_load((provisioning / "dashboards" / "dropoff.yaml").read_text(encoding="utf-8"))["providers"]
    services = yaml.safe_load((deploy / "compose.yaml").read_text(encoding="utf-8"))["services"]
    mounted = dict(volume.split(":")[:2] for volume in services["grafana"]["volumes"])
    assert mounted["./grafana/provisioning"] == "/etc/grafana/provisioning"
    assert mounted["./grafana/dashboards"] == provider["options"]["path"]
    assert source["url"].removeprefix("http://").split(":")[0] in services
    assert "./prometheus/alerts.yml" in dict(volume.split(":")[:2] for volume in services["prometheus"]["volumes"])
