"""Rate, errors and duration of requests by route, whatever a route is and however it ends."""

from collections.abc import Awaitable
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024)
_FAILED = (500, 503)


class RequestMetrics:
    """What was asked of each route, how it was answered and how long that took."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter("dropoff_requests", "Requests answered.", ["route", "status"], registry=registry)
        self._seconds = Histogram(
            "dropoff_request_seconds", "From request to answer.", ["route"], buckets=_SECONDS, registry=registry
        )
        self.in_flight = Gauge(
            "dropoff_requests_in_flight",
            "Requests that are being answered.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        # To look a label up takes as long as to count.
        self._counters: dict[tuple[str, int], Counter] = {}
        self._timers: dict[str, Histogram] = {}

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Record one answer."""
        timer = self._timers.get(route)
        if timer is None:
            timer = self._timers[route] = self._seconds.labels(route)
            # Rates see no rise in a series that begins with it: failures are there, at none, before the first.
            for failed in _FAILED:
                self.count(route, failed, 0)
        timer.observe(seconds)
        self.count(route, status)

    def count(self, route: str, status: int, answers: int = 1) -> None:
        """Record answers that took no time worth telling."""
        counter = self._counters.get((route, status))
        if counter is None:
            counter = self._counters[route, status] = self._requests.labels(route, str(status))
        counter.inc(answers)

    async def counted(self, route: str, answering: Awaitable[Response]) -> Response:
        """Return the response, recorded; what it raises counts as 500."""
        began, status = perf_counter(), 500
        self.in_flight.inc()
        try:
            response = await answering
            status = response.status_code
        finally:
            self.in_flight.dec()
            self.observe(route, status, perf_counter() - began)
        return response


class Counted:
    """A route's application, recorded as ``route`` by the service that is attached, if one is."""

    def __init__(self, app: ASGIApp, route: str) -> None:
        self._app = app
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and record how and how fast; what is raised counts as 500."""
        runtime = scope["app"].state.runtime
        if runtime is None:
            await self._app(scope, receive, send)
            return
        requests: RequestMetrics = runtime.metrics.requests
        began, status = perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        requests.in_flight.inc()
        try:
            await self._app(scope, receive, sending)
        finally:
            requests.in_flight.dec()
            requests.observe(self._route, status, perf_counter() - began)
