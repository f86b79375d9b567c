"""The BentoML service: our routes at ``/``, two thin twins for BentoML's own clients, and the life cycle."""

import asyncio
import logging
import os
from collections.abc import Awaitable
from typing import Any, cast

from serving.configuration import PACKAGED_FOLDER, Configuration, LogFormat

CONFIGURATION = Configuration.from_environment()
# BentoML reads it when it is imported: nothing is reported to anybody.
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
# uvicorn believes X-Forwarded-For of anything on this machine; the guard believes the proxies that are named.
os.environ["FORWARDED_ALLOW_IPS"] = ""
# A Bento's own folder is often read-only, and numba has to keep the compiled kernel somewhere.
if PACKAGED_FOLDER.is_dir():
    os.environ.setdefault("NUMBA_CACHE_DIR", str(CONFIGURATION.home.resolve() / "numba"))

import bentoml  # noqa: E402
from sqlalchemy.exc import SQLAlchemyError  # noqa: E402
from starlette.responses import Response  # noqa: E402

from serving import advice  # noqa: E402
from serving.access import KEYLESS  # noqa: E402
from serving.app import answer, attach, create_app  # noqa: E402
from serving.challenger import watch_challenger  # noqa: E402
from serving.decoding import convert  # noqa: E402
from serving.drain import is_draining  # noqa: E402
from serving.duties import duties_of  # noqa: E402
from serving.erasures import watch_erasures  # noqa: E402
from serving.experiments import watch_experiments  # noqa: E402
from serving.guard import Guard  # noqa: E402
from serving.logs import write_logs  # noqa: E402
from serving.messages import RecommendRequest, ScoreRequest  # noqa: E402
from serving.observe import BLIND, Observed, is_observed  # noqa: E402
from serving.policies import watch_policy  # noqa: E402
from serving.retention import keep_no_longer  # noqa: E402
from serving.runtime import Runtime  # noqa: E402
from serving.start import start  # noqa: E402
from serving.swap import may_swap, watch_champion  # noqa: E402
from serving.without_tracing import leave_out_bentoml_tracing  # noqa: E402
from storage.failures import explain  # noqa: E402
from storage.writer import WriterClosed  # noqa: E402

leave_out_bentoml_tracing()
APP = create_app(bench_routes=CONFIGURATION.bench_routes)
_LOG = logging.getLogger("dropoff.serving")
_TIMEOUT_SECONDS = 60


class Lifecycle:
    """Opens what the routes serve with, looks for new champions, does what else is to be done, and closes it all."""

    def __init__(self) -> None:
        if CONFIGURATION.logs is LogFormat.JSON:
            # Whoever runs a Bento has set logs up for itself.
            write_logs(CONFIGURATION.logs)
        if PACKAGED_FOLDER.is_dir() and not os.environ.get("DROPOFF_HOME"):
            _LOG.warning("What is received is kept inside the Bento; set DROPOFF_HOME to a folder that outlives it.")
        self.runtime: Runtime = start(CONFIGURATION)
        if PACKAGED_FOLDER.is_dir() and not self.runtime.access.keyed:
            _LOG.warning(KEYLESS)
        self._tasks: list[asyncio.Task[None]] = []
        attach(APP, self.runtime)

    def __is_ready__(self) -> bool:
        return APP.state.runtime is not None and not is_draining(APP)

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def watch(self) -> None:
        """Start looking for new champions, and what goes on beside answering."""
        if may_swap(CONFIGURATION):
            self._tasks.append(asyncio.create_task(watch_champion(self.runtime)))
            self._tasks.append(asyncio.create_task(watch_challenger(self.runtime)))
        self._tasks.append(asyncio.create_task(self._watch_keys()))
        self._tasks.append(asyncio.create_task(watch_erasures(self.runtime)))
        self._tasks.append(asyncio.create_task(watch_experiments(self.runtime)))
        if CONFIGURATION.policy_watch_seconds:
            self._tasks.append(asyncio.create_task(watch_policy(self.runtime)))
        if CONFIGURATION.retention_days:
            self._tasks.append(asyncio.create_task(keep_no_longer(self.runtime, CONFIGURATION.retention_days)))
        self._tasks += map(asyncio.create_task, duties_of(self.runtime))

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def close(self) -> None:
        """Stop all that, write what is queued, and close the database."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        attach(APP, None)
        self.runtime.close()

    async def _watch_keys(self) -> None:
        unread = False
        while True:
            await asyncio.sleep(CONFIGURATION.key_watch_seconds)
            try:
                await self.runtime.keep_keys()
                unread = False
            except (SQLAlchemyError, WriterClosed) as error:
                # Those that are known go on; a database that cannot be reached is also told where it is needed.
                if not unread:
                    _LOG.warning("The keys cannot be read: %s", explain(error))
                unread = True

    async def _answer(self, route: str, answering: Awaitable[object]) -> Response:
        return await self.runtime.metrics.requests.counted(route, answer(self.runtime, route, answering))

    @bentoml.api(route="/bentoml/score")  # type: ignore[untyped-decorator]
    async def score(self, request: dict[str, Any], /) -> dict[str, Any]:
        """How likely is this session to be abandoned? The same as POST /v1/score."""

        async def answering() -> object:
            return await advice.score(self.runtime, convert(request, ScoreRequest))

        return _as_bentoml(await self._answer("/bentoml/score", answering()))

    @bentoml.api(route="/bentoml/recommend")  # type: ignore[untyped-decorator]
    async def recommend(self, request: dict[str, Any], /) -> dict[str, Any]:
        """What stands in the way, and what should be done about it? The same as POST /v1/recommend."""

        async def answering() -> object:
            return await advice.recommend(self.runtime, convert(request, RecommendRequest))

        return _as_bentoml(await self._answer("/bentoml/recommend", answering()))


class BenchLifecycle(Lifecycle):
    """The same with one empty route, for benchmarks to compare with."""

    @bentoml.api(route="/bench/empty_api")  # type: ignore[untyped-decorator]
    async def empty(self, request: dict[str, Any], /) -> dict[str, Any]:  # noqa: ARG002
        """Do nothing."""
        return _as_bentoml(Response(b"{}", media_type="application/json"))


def _as_bentoml(response: Response) -> dict[str, Any]:
    # BentoML passes a response on as it is; the annotation is what its own description shows.
    return cast("dict[str, Any]", response)


Dropoff = bentoml.service(
    name="dropoff",
    workers=CONFIGURATION.workers,
    traffic={"timeout": _TIMEOUT_SECONDS},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)(BenchLifecycle if CONFIGURATION.bench_routes else Lifecycle)
if is_observed(CONFIGURATION):
    Dropoff.add_asgi_middleware(
        Observed, observer=lambda: BLIND if APP.state.runtime is None else APP.state.runtime.observer
    )
Dropoff.add_asgi_middleware(
    Guard,
    most_bytes=CONFIGURATION.max_body_bytes,
    served=APP,
    trusted=CONFIGURATION.proxies,
    body_seconds=CONFIGURATION.body_seconds,
)
Dropoff.mount_asgi_app(APP, path="/", name="routes")
