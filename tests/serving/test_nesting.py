"""JSON that one reader accepts is never too deep for the next."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.names import EventNames
from serving.errors import ClientError
from serving.nesting import DEEPEST, require_shallow
from serving.segment import Arrival, MessageType, SegmentReader


def _nested(kinds: list[bool]) -> Any:
    value: Any = 1
    for is_list in kinds:
        value = [value, "]}"] if is_list else {"a": value, "b": "{["}
    return value


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 40))
def test_exactly_what_has_more_levels_than_allowed_is_refused(kinds: list[bool], most: int) -> None:
    value = _nested(kinds)
    content = json.dumps(value).encode()
    if len(kinds) <= most:
        require_shallow(value, content, None, most)
    else:
        with pytest.raises(ClientError, match=f"deeper than {most} levels"):
            require_shallow(value, content, None, most)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_an_event_as_deep_as_allowed_is_read_and_a_deeper_one_refused(opening: str) -> None:
    closing = {"[": "]", '{"a":': "}"}[opening]

    def read(levels: int) -> None:
        value = opening * levels + "1" + closing * levels
        raw = f'{{"anonymousId": "a", "event": "x", "properties": {{"deep": {value}}}}}'.encode()
        SegmentReader(EventNames({}), 10_000).read(raw, MessageType.TRACK, Arrival(0, 1))

    read(DEEPEST - 1)
    with pytest.raises(ClientError) as caught:
        read(DEEPEST)
    assert (caught.value.status, caught.value.field) == (422, "properties")
