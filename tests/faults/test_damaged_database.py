"""A SQLite page that was overwritten: refused clearly where it matters, and never an answer made of rubbish."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

from conftest import NOW_US, OpenClient, clock, open_client, shop, shop_model

__all__ = ["clock", "open_client", "shop", "shop_model"]  # fixtures

_PAGE_BYTES = 4_096


def _damage(path: Path, needle: bytes) -> None:
    content = bytearray(path.read_bytes())
    start = content.index(needle) // _PAGE_BYTES * _PAGE_BYTES
    content[start : start + _PAGE_BYTES] = b"\xa5" * _PAGE_BYTES
    path.write_bytes(content)


def test_a_damaged_page_is_503_with_what_to_do_in_the_log_and_other_visitors_are_served(
    open_client: OpenClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client, _ = open_client()
    for number in range(120):
        call = {"event": "view_product", "messageId": f"m{number}", "anonymousId": f"visitor-{number:03}"}
        answer = client.post("/v1/track", call | {"properties": {"product": f"{number:03}" * 60}})
        assert answer.status_code == 200
    client, _ = open_client()  # closed and opened again, so that all is in the file and nothing in memory
    assert client.post("/v1/score", {"visitor_id": "visitor-050"}).status_code == 200
    client, runtime = open_client()
    _damage(tmp_path / "dropoff.db", b"050" * 60)
    answers = {
        number: client.post("/v1/score", {"visitor_id": f"visitor-{number:03}"}).status_code for number in range(120)
    }
    assert answers[50] == 503
    assert set(answers.values()) <= {200, 503}
    assert list(answers.values()).count(200) > 60
    refused = client.post("/v1/score", {"visitor_id": "visitor-050"})
    assert refused.json()["error"]["code"] == "log_unavailable"
    assert refused.headers["Retry-After"]
    assert ".recover" in caplog.text
    assert runtime.now_us() == NOW_US
