"""BentoML without its OpenTelemetry middleware, which stands before every request and costs more than the model."""

from typing import Any

from starlette.types import Receive, Scope, Send


class Untraced:
    """Passes everything on."""

    def __init__(self, app: Any, **_: object) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        await self._app(scope, receive, send)


def leave_out_bentoml_tracing() -> None:
    """Have BentoML build its applications without that middleware, whoever runs them.

    BentoML has no setting for it: ``OTEL_SDK_DISABLED`` leaves the middleware where it is, with nothing to tell to.
    """
    import opentelemetry.instrumentation.asgi as instrumentation

    instrumentation.OpenTelemetryMiddleware = Untraced  # type: ignore[assignment,misc]
