"""What goes wrong: a client's mistake, as every route answers it, and what keeps a service from starting."""

from collections.abc import Mapping

import msgspec

_RETRIED = (429, 503)
_RETRY_SECONDS = "1"


class ClientError(Exception):
    """The request cannot be answered as it is; ``field`` names the part at fault, where there is one.

    ``headers`` are sent with the answer. Clients send again what is answered with 429 or 503, after ``Retry-After``,
    which is a second where the headers do not say otherwise.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.headers = {"Retry-After": _RETRY_SECONDS} if headers is None and status in _RETRIED else headers

    def body(self) -> bytes:
        """Return the JSON of the answer."""
        return msgspec.json.encode(ErrorAnswer(ErrorDetail(self.code, self.message, self.field)))


class ErrorDetail(msgspec.Struct, frozen=True):
    """What is wrong: a stable code for programs, a sentence for people, and the field at fault if there is one."""

    code: str
    message: str
    field: str | None


class ErrorAnswer(msgspec.Struct, frozen=True):
    """The answer to a request with a mistake in it."""

    error: ErrorDetail


class StartError(ValueError):
    """The service cannot start; one sentence that says why and what to do."""
