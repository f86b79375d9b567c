"""Tell another service something: an HTTP POST of JSON, signed where there is a secret, and tried again."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

SIGNATURE = "X-Dropoff-Signature"
"""``sha256=`` and the HMAC-SHA256 of the body under the secret, in hexadecimal digits."""
DELIVERY = "X-Dropoff-Delivery"
"""The message's id: the same whenever it is sent."""
TIMESTAMP = "X-Dropoff-Timestamp"
"""Seconds since 1970 when a follow-up was sent; it is signed with the body, as ``TIMESTAMP.BODY``."""
_TOO_MANY, _SERVER_MISTAKE = 429, 500


class WebhookError(ValueError):
    """The address cannot be used, or nobody there took the message; one sentence."""


class NotTaken(Exception):
    """One attempt has failed; ``may_help`` says whether another one may go better."""

    def __init__(self, said: str, *, may_help: bool) -> None:
        super().__init__(said)
        self.may_help = may_help


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where alarms are sent; raises :class:`WebhookError` for an address that is not http or https.

    ``attempts`` are made, the pauses between them doubling from ``pause_seconds``; ``headers`` are sent with each.
    """

    url: str
    secret: str = ""
    attempts: int = 4
    pause_seconds: float = 1.0
    timeout_seconds: float = 10.0
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            usable = False
        if not usable or any(sign.isspace() for sign in self.url):
            raise WebhookError(f"the webhook {self.url[:80]!r} is no address: write it like https://example.org/alarms")

    def send(self, content: Mapping[str, Any], delivery: str, sleep: Callable[[float], None] = time.sleep) -> None:
        """Send a message, and try again where that may help; raises :class:`WebhookError` if nobody takes it."""
        body = json.dumps(content, separators=(",", ":")).encode()
        headers = {**self.headers, "Content-Type": "application/json", "User-Agent": "dropoff", DELIVERY: delivery}
        if self.secret:
            headers[SIGNATURE] = sign(body, self.secret)
        said = ""
        for attempt in range(self.attempts):
            if attempt:
                sleep(self.pause_seconds * 2 ** (attempt - 1))
            try:
                post(self.url, body, headers, self.timeout_seconds)
                return
            except NotTaken as error:
                said = str(error)
                if not error.may_help:
                    break
        raise WebhookError(f"the webhook at {urlsplit(self.url).hostname} did not take the alarm ({said})")


def post(url: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float) -> None:
    """Send a body once to an address that has been checked; raises :class:`NotTaken`.

    A status of 5xx or 429, and nobody there, may go better later; any other says that the message is not wanted.
    """
    request = Request(url, body, dict(headers), method="POST")  # noqa: S310 (the scheme has been checked)
    try:
        with _OPENER.open(request, timeout=timeout_seconds):
            return
    except HTTPError as error:
        error.close()
        may_help = error.code >= _SERVER_MISTAKE or error.code == _TOO_MANY
        raise NotTaken(f"status {error.code}", may_help=may_help) from error
    except (OSError, HTTPException) as error:
        said = str(getattr(error, "reason", None) or error or type(error).__name__)
        raise NotTaken(said, may_help=True) from error


def sign_at(timestamp: int, body: bytes, secret: str) -> dict[str, str]:
    """Return the headers that sign a body together with the time, so that it cannot be sent again later."""
    return {TIMESTAMP: str(timestamp), SIGNATURE: sign(b"%d." % timestamp + body, secret)}


def sign(body: bytes, secret: str) -> str:
    """Return the signature of a body, as it stands in the header."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class _NoRedirects(HTTPRedirectHandler):
    """A POST that is led elsewhere would arrive as a GET without its body."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Follow nothing, so that the status of the redirect is what is answered."""


_OPENER = build_opener(_NoRedirects)
