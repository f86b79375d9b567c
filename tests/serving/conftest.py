"""A small real model of the shop, trained once, and a service around it."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx
import lightgbm
import numpy as np
import pytest
from starlette.applications import Starlette

from decisions.calibration import Calibrator
from decisions.hazard import Hazard, with_idle
from decisions.risk import RiskModel
from features.encode import encode_event
from features.events import Event, FloatArray
from features.live import LiveSession
from features.plan import compile_plan
from features.vocabulary import Vocabulary
from journeys.journey import Journey
from journeys.load import load_journey
from serving.app import attach, create_app
from serving.configuration import Configuration
from serving.open_runtime import open_runtime
from serving.runtime import Runtime
from storage.models import point_champion, publish
from training.blockers import fit_blockers

SECOND = 1_000_000
NOW_US = 1_772_368_200 * SECOND  # 2026-03-01T12:30:00Z
VERSION = "7"
_SESSIONS = 250
_TREES = 25


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_us = NOW_US

    def __call__(self) -> int:
        return self.now_us

    def advance(self, seconds: float) -> None:
        self.now_us += round(seconds * SECOND)


@pytest.fixture(scope="session")
def shop() -> Journey:
    return load_journey("ecommerce")


@pytest.fixture(scope="session")
def shop_model(shop: Journey) -> RiskModel:
    """A model of random sessions in which failed payments, form errors and costly shipping go with abandonment."""
    rows, abandoned, left = _training_rows(shop)
    table = shop.table
    vocabulary = Vocabulary.learn(table, rows, min_count=5)
    data = lightgbm.Dataset(
        vocabulary.apply(rows), abandoned, categorical_feature=list(vocabulary.category_columns), free_raw_data=False
    )
    parameters = {
        "objective": "binary",
        "num_leaves": 15,
        "max_depth": 5,
        "learning_rate": 0.2,
        "num_threads": 1,
        "seed": 1,
        "deterministic": True,
        "verbosity": -1,
        "min_data_in_leaf": 5,
    }
    booster = lightgbm.train(parameters, data, _TREES)
    blockers = fit_blockers(table, rows, left, seed=1)
    idle = np.random.default_rng(1).choice([0.0, 30.0, 120.0], len(rows))
    left = lightgbm.Dataset(with_idle(vocabulary.apply(rows), idle), abandoned * (idle > 0))
    hazard = Hazard(60.0, lightgbm.train(parameters, left, 5), Calibrator(), ((0.0, -2.0), (120.0, 1.0)), 0.4)
    return RiskModel(shop.name, VERSION, table, booster, Calibrator(), vocabulary, blockers, hazard=hazard)


@pytest.fixture(scope="session")
def model_home(tmp_path_factory: pytest.TempPathFactory, shop_model: RiskModel) -> Path:
    """A DROPOFF_HOME whose champion is the small model."""
    home = tmp_path_factory.mktemp("home")
    publish(home, shop_model.journey, VERSION, shop_model.save)
    point_champion(home, shop_model.journey, VERSION)
    return home


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Client:
    """Requests to an application in this process, one after the other or together."""

    def __init__(self, app: Starlette) -> None:
        self.app = app
        self._runner = asyncio.Runner()
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")

    def request(self, method: str, address: str, **arguments: Any) -> httpx.Response:
        return self._runner.run(self._client.request(method, address, **arguments))

    def get(self, address: str) -> httpx.Response:
        return self.request("GET", address)

    def post(self, address: str, body: Any) -> httpx.Response:
        return self.request("POST", address, **({"content": body} if isinstance(body, bytes) else {"json": body}))

    def post_together(self, address: str, bodies: list[Any]) -> list[httpx.Response]:
        async def together() -> list[httpx.Response]:
            return await asyncio.gather(*(self._client.post(address, json=body) for body in bodies))

        return self._runner.run(together())

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run on the loop that the requests run on."""
        return self._runner.run(coroutine)

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()


@pytest.fixture
def client_of() -> Iterator[Callable[[Starlette], Client]]:
    opened: list[Client] = []

    def opening(app: Starlette) -> Client:
        opened.append(Client(app))
        return opened[-1]

    yield opening
    for one in opened:
        one.close()


OpenClient = Callable[..., tuple[Client, Runtime]]


@pytest.fixture
def open_client(tmp_path: Path, shop: Journey, shop_model: RiskModel, clock: Clock) -> Iterator[OpenClient]:
    """Open a service in this process; opening again is a restart on the same database."""
    opened: list[Runtime | Client] = []

    def close() -> None:
        while opened:
            opened.pop().close()

    def opening(**settings: Any) -> tuple[Client, Runtime]:
        close()
        runtime = open_runtime(Configuration(home=tmp_path, **settings), shop, shop_model, clock)
        app = create_app()
        attach(app, runtime)
        client = Client(app)
        opened.extend((runtime, client))
        return client, runtime

    yield opening
    close()


@pytest.fixture
def client(open_client: OpenClient) -> Client:
    return open_client()[0]


def _training_rows(journey: Journey) -> tuple[FloatArray, Any, Any]:
    source = random.Random(1)
    plan = compile_plan(journey.table)
    names = [name for name in journey.events if name not in journey.ends.all_names]
    rows, abandoned, left = [], [], []
    for number in range(_SESSIONS):
        session = LiveSession(plan, f"s{number}", f"v{number}")
        trouble = source.random() < 0.6
        at_us = NOW_US
        for step in range(source.randint(3, 14)):
            at_us += source.randint(1, 90) * SECOND
            name = source.choice(["form_error", "payment_failed", "view_shipping"] if trouble else names)
            if source.random() < 0.5:
                name = source.choice(names)
            properties = {
                "shipping": source.uniform(5, 20),
                "basket_value": source.uniform(20, 80),
                "field": "card",
                "code": "declined",
                "product": f"p{source.randint(1, 9)}",
                "load_seconds": source.uniform(0.2, 5),
            }
            event = Event(
                f"{number}-{step}",
                name,
                at_us,
                f"v{number}",
                device=source.choice(["mobile", "desktop"]),
                properties=properties,
            )
            session.append(encode_event(plan, event))
        moments = [(seen, session.last_at_us + 30 * SECOND) for seen in range(1, len(session) + 1)]
        rows.append(session.rows(moments))
        outcome = float(trouble if source.random() < 0.9 else not trouble)
        abandoned += [outcome] * len(moments)
        left += [*[0.0] * (len(moments) - 1), outcome]
    return np.concatenate(rows), np.array(abandoned), np.array(left)
