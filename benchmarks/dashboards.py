"""What watching the service costs, and pictures of its dashboards from a real Prometheus.

    python -m benchmarks dashboards

Sessions that the model has not seen are sent whole, and advice is then asked for at moments within them: what came of
it is known at once, so that the risks are judged within minutes. Pictures go to ``docs/pictures``.
"""

import random
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import httpx
from msgspec import structs
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.draw_dashboards import Span, draw
from benchmarks.prometheus import Prometheus, watching
from benchmarks.report import Figure, Report
from benchmarks.service import serving
from decisions.decision import Decision, Reason, Score
from features.events import US_PER_SECOND
from features.plan import compile_plan
from features.read_sessions import RecordedSession, read_sessions
from journeys.load import load_journey
from serving.metrics import Metrics
from serving.replay import segment_call
from serving.times import show_time
from training.pipeline import train
from training.simulator import simulate

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
DASHBOARDS = Path(__file__).parents[1] / "deploy" / "grafana" / "dashboards"
_PER_SECOND = 15.0
_KNOWN_AFTER_SECONDS = 6.0
_ROUNDS = 20_000


def run(sessions: int = 24_000, seconds: float = 600.0) -> Report:
    """Train on a simulated log as the demo does, and watch the service under load."""
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder = Path(name)
        simulate("ecommerce", sessions=sessions, seed=7, out=folder)
        train(load_journey("ecommerce"), folder / "events", home=folder / "home", mlruns=folder / "mlruns")
        return watch(folder / "home", seconds)


def watch(home: Path, seconds: float, pictures: Path = PICTURES) -> Report:
    """Load a service with a champion, draw its dashboards, and return what watching it costs."""
    with tempfile.TemporaryDirectory(prefix="dropoff-") as name:
        folder = Path(name)
        simulate("ecommerce", sessions=max(500, round(2 * _PER_SECOND * seconds)), seed=11, out=folder / "fresh")
        journey, wanted = load_journey("ecommerce"), round(_PER_SECOND * seconds)
        fresh = read_sessions(
            folder / "fresh" / "events",
            compile_plan(journey.table),
            timeout_seconds=journey.session_timeout_seconds,
            most=wanted,
            min_events=3,
        )
        with (
            serving(
                "ecommerce",
                home,
                folder,
                late_seconds=0,
                sweep_seconds=0.5,
                reward_seconds=1,
                learn_seconds=1,
                lease_seconds=3,
                follow_up_url="http://127.0.0.1:9/",
                follow_up_secret="nobody",  # noqa: S106
            ) as (port, _),
            watching(folder, [f"127.0.0.1:{port}"], "2s") as prometheus,
        ):
            began = time.time()
            silence_us = round(journey.session_timeout_seconds * US_PER_SECOND)
            asked = _load(f"http://127.0.0.1:{port}", fresh, seconds, silence_us)
            time.sleep(2 * _KNOWN_AFTER_SECONDS)
            span = Span(began, time.time(), max(2.0, seconds / 120))
            pictures.mkdir(parents=True, exist_ok=True)
            for dashboard in sorted(DASHBOARDS.glob("*.json")):
                draw(dashboard, prometheus, span, pictures / f"{dashboard.stem.replace('dropoff-', 'dashboard_')}.png")
            figures = [*_scrape(port), *_share(prometheus), *_calibration(prometheus, asked)]
    return Report("Watching the service", "python -m benchmarks dashboards", figures)


def _load(url: str, sessions: list[RecordedSession], seconds: float, silence_us: int) -> int:
    """Send sessions and ask within them, at a steady pace; return how often advice was asked for."""
    chance, waiting, asked = random.Random(1), deque[tuple[float, RecordedSession]](), 0
    until, due = time.monotonic() + seconds, time.monotonic()
    with httpx.Client(base_url=url, timeout=30) as client:
        for recorded in sessions:
            if time.monotonic() > until:
                break
            session = _just_over(recorded, silence_us)
            calls = [segment_call(event) for event in session.events]
            client.post("/v1/batch", json={"batch": calls}).raise_for_status()
            waiting.append((time.monotonic() + _KNOWN_AFTER_SECONDS, session))
            while waiting and waiting[0][0] < time.monotonic():
                for body in _questions(waiting.popleft()[1], chance):
                    client.post(f"/v1/{chance.choice(('recommend', 'recommend', 'score'))}", json=body)
                    asked += 1
            if chance.random() < 0.05:
                client.post("/v1/score", json={"visitor_id": "nobody"})
            due += 1 / _PER_SECOND
            time.sleep(max(0.0, due - time.monotonic()))
    return asked


def _just_over(session: RecordedSession, silence_us: int) -> RecordedSession:
    """Return a session as if its silence had just come to its end: what is late is late by what happens here."""
    later_us = time.time_ns() // 1_000 - silence_us - US_PER_SECOND - session.events[-1].occurred_at_us
    moved = (structs.replace(event, occurred_at_us=event.occurred_at_us + later_us) for event in session.events)
    return replace(session, events=tuple(moved))


def _questions(session: RecordedSession, chance: random.Random) -> Iterator[dict[str, str]]:
    for event in chance.sample(session.events[:-1], min(2, len(session.events) - 1)):
        at_us = event.occurred_at_us + chance.randint(0, 20) * US_PER_SECOND
        yield {"session_id": session.session_id, "at": show_time(at_us)}


def _scrape(port: int) -> Iterator[Figure]:
    """Return how large an answer of /metrics is and how long it takes."""
    times, text = [], ""
    for _ in range(20):
        began = perf_counter()
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
        times.append(perf_counter() - began)
    series = sum(len(family.samples) for family in text_string_to_metric_families(text))
    yield Figure("/metrics: series, bytes", f"{series:,}, {len(text):,}", "<= 2,000 series")
    yield Figure("/metrics: median time, of a scrape interval of 15 s", f"{_median(times) / 15:.2%}", "<= 1 %")


def _share(prometheus: Prometheus) -> Iterator[Figure]:
    """Return what counting and timing one recommendation takes, as a share of what the recommendation takes."""
    metrics = Metrics(load_journey("ecommerce"))
    score = Score("s", "ecommerce", "cart", 0.4, 9, "7", 0)
    odds = {"nothing": 0.5, "trust_panel": 0.5}
    decision = Decision("d", "v", score, (), {}, "", None, Reason.NOT_WORTH_IT, False, 0.5, odds, (), {}, 0.3, "p")
    began = perf_counter()
    for _ in range(_ROUNDS):
        metrics.requests.in_flight.inc()
        for step in ("replay", "predict", "explain", "decide"):
            metrics.answers.observe_step(step, 0.0001)
        metrics.answers.observe_risk(1.0, 0.4)
        metrics.answers.count_decision(decision)
        metrics.requests.in_flight.dec()
        metrics.requests.observe("/v1/recommend", 200, 0.002)
    mine = (perf_counter() - began) / _ROUNDS
    [(_, mean)] = prometheus.find(
        'sum(dropoff_request_seconds_sum{route="/v1/recommend"})'
        ' / sum(dropoff_request_seconds_count{route="/v1/recommend"})'
    )
    what = "counting and timing a recommendation: us, share of its time"
    yield Figure(what, f"{mine * 1e6:.1f}, {mine / mean:.1%}", "<= 5 %")


def _calibration(prometheus: Prometheus, asked: int) -> Iterator[Figure]:
    """Return what the metrics say of the risks: how far they are off, and by how many standard deviations."""
    left = '{shown="nothing"}'
    [(_, sessions)] = prometheus.find(f"sum(dropoff_calibration_sessions_total{left})")
    [(_, risk)] = prometheus.find(f"sum(dropoff_calibration_risk_total{left})")
    [(_, abandoned)] = prometheus.find(f"sum(dropoff_calibration_abandoned_total{left})")
    [(_, variance)] = prometheus.find(f"sum(dropoff_calibration_variance_total{left})")
    yield Figure("questions asked; sessions judged that were left alone", f"{asked:,}; {sessions:,.0f}")
    yield Figure("of these abandoned: said, came", f"{risk / sessions:.3f}, {abandoned / sessions:.3f}", "within .05")
    yield Figure("difference in standard deviations", f"{(abandoned - risk) / variance**0.5:+.1f}", "within 4")


def _median(times: list[float]) -> float:
    return sorted(times)[len(times) // 2]
