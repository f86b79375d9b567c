"""A client's mistake, as an exception and as the answer that every route gives for it."""

import msgspec

_RETRIED = (429, 503)
_RETRY_SECONDS = "1"


class ClientError(Exception):
    """The request cannot be answered as it is; ``field`` names the part at fault, where there is one.

    Clients send again what is answered with 429 or 503, after ``Retry-After``.
    """

    def __init__(self, status: int, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field

    @property
    def headers(self) -> dict[str, str] | None:
        """What the answer says beside its body."""
        return {"Retry-After": _RETRY_SECONDS} if self.status in _RETRIED else None

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
