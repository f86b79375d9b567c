"""The webhook, against a real server on this machine."""

import hashlib
import hmac
import json
from collections.abc import Iterator

import pytest
from receiver import Receiver, receiving

from insights.webhook import DELIVERY, SIGNATURE, Webhook, WebhookError


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def test_a_message_arrives_as_json_with_its_id(receiver: Receiver) -> None:
    Webhook(receiver.url).send({"stage": "cart", "ratio": 1.5}, "a1")
    [(headers, body)] = receiver.got
    assert json.loads(body) == {"stage": "cart", "ratio": 1.5}
    assert headers["Content-Type"] == "application/json"
    assert headers[DELIVERY] == "a1"
    assert SIGNATURE not in headers


def test_a_secret_signs_the_very_bytes(receiver: Receiver) -> None:
    Webhook(receiver.url, "s3cret").send({"text": "über 30 %"}, "a1")
    [(headers, body)] = receiver.got
    assert headers[SIGNATURE] == f"sha256={hmac.new(b's3cret', body, hashlib.sha256).hexdigest()}"


def test_a_server_in_trouble_is_asked_again_ever_later(receiver: Receiver) -> None:
    receiver.statuses, pauses = [503, 429, 500], list[float]()
    Webhook(receiver.url, pause_seconds=0.5).send({}, "a1", sleep=pauses.append)
    assert len(receiver.got) == 4
    assert pauses == [0.5, 1.0, 2.0]
    assert {body for _, body in receiver.got} == {b"{}"}


def test_after_the_last_attempt_the_error_says_what_was_answered(receiver: Receiver) -> None:
    receiver.statuses = [503] * 9
    with pytest.raises(WebhookError, match=r"127\.0\.0\.1 did not take the alarm \(status 503\)"):
        Webhook(receiver.url, attempts=3).send({}, "a1", sleep=lambda _: None)
    assert len(receiver.got) == 3


@pytest.mark.parametrize("status", [400, 401, 404, 410, 302, 307])
def test_what_cannot_get_better_is_not_tried_again_and_nothing_is_followed(receiver: Receiver, status: int) -> None:
    receiver.statuses = [status]
    with pytest.raises(WebhookError, match=f"status {status}"):
        Webhook(receiver.url).send({}, "a1", sleep=lambda _: pytest.fail("slept"))
    assert len(receiver.got) == 1


def test_nobody_there_is_tried_again(receiver: Receiver) -> None:
    url = receiver.url.replace(str(receiver.server_port), "1")
    pauses: list[float] = []
    with pytest.raises(WebhookError, match="refused"):
        Webhook(url, attempts=2).send({}, "a1", sleep=pauses.append)
    assert pauses == [1.0]


@pytest.mark.parametrize(
    "url", ["", "example.org", "file:///etc/passwd", "ftp://example.org/", "http://", "https:// a", "http://[::1"]
)
def test_only_web_addresses_are_taken(url: str) -> None:
    with pytest.raises(WebhookError, match="is no address"):
        Webhook(url)
