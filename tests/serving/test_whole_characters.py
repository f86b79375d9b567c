"""Texts that were cut in the middle of a character do not spoil what they come in."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from serving.whole_characters import with_whole_characters

OpenClient = Callable[..., Any]


@given(st.text(st.characters(exclude_categories=()) | st.sampled_from("\\ud83d\\ude00\\\\u")))
def test_only_halves_of_characters_are_replaced(text: str) -> None:
    # UTF-16 pairs neighbours up, as a reader of the escapes does; what it cannot pair is half a character.
    expected = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    assert json.loads(with_whole_characters(json.dumps(text).encode())) == expected


def test_a_text_cut_inside_an_emoji_spoils_no_batch(open_client: OpenClient) -> None:
    client, runtime = open_client()
    cut = rb'{"type":"track","messageId":"cut","anonymousId":"v","event":"a","properties":{"product":"\ud83d"}}'
    good = rb'{"type":"track","messageId":"good","anonymousId":"v","event":"view_product"}'
    answer = client.post("/v1/batch", b'{"batch":[' + cut + b"," + good + b"]}")
    assert (answer.status_code, answer.json()["accepted"]) == (200, 2)
    assert client.post("/v1/track", cut.replace(b'"cut"', b'"single"')).status_code == 200
    kept = {event.event_id: event.properties for event in runtime.log.visitor_events("v")}
    assert kept["cut"] == kept["single"] == {"product": "\N{REPLACEMENT CHARACTER}"}
