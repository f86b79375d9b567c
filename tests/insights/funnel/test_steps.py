"""Steps and funnels as people write them, and what they are told where they cannot be read."""

from typing import Any

import pytest

from insights.funnel.declare import NO_LIMIT_US, Attribution, CountBy, Order, declare
from insights.funnel.steps import Condition, FunnelError, Pattern, parse_steps


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("view", [[Pattern("view")]]),
        ("view, add", [[Pattern("view")], [Pattern("add")]]),
        ("add|buy now,pay", [[Pattern("add"), Pattern("buy now")], [Pattern("pay")]]),
        ("pay[method=card]", [[Pattern("pay", (Condition("method", "=", "card"),))]]),
        (
            "pay[method!=card,total>=50]",
            [[Pattern("pay", (Condition("method", "!=", "card"), Condition("total", ">=", "50")))]],
        ),
        ("a[x<1]|b[y>2],c[z<=3]", None),
        ('"Order, completed"', [[Pattern("Order, completed")]]),
        ('page["the url"="/a,b|c[1]"]', [[Pattern("page", (Condition("the url", "=", "/a,b|c[1]"),))]]),
        ('"say \\"hi\\""', [[Pattern('say "hi"')]]),
        ("wow!", [[Pattern("wow!")]]),
        ("été_view", [[Pattern("été_view")]]),
    ],
)
def test_steps_are_read(text: str, patterns: list[list[Pattern]] | None) -> None:
    steps = parse_steps(text)
    if patterns is None:
        assert [[pattern.event for pattern in step.patterns] for step in steps] == [["a", "b"], ["c"]]
    else:
        assert [list(step.patterns) for step in steps] == patterns


def test_a_step_is_named_as_it_is_written() -> None:
    assert [step.text for step in parse_steps(" view , add | buy now ")] == ["view", "add|buy now"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "an event's name is missing before the end"),
        ("a,", "an event's name is missing before the end"),
        ("a,,b", "an event's name is missing before ','"),
        ("a|", "an event's name is missing before the end"),
        ("a[", "the name of a property is missing before the end"),
        ("a[x]", "after [x comes =, !=, <, <=, > or >= and a value"),
        ("a[x=]", "the value of x is missing before ']'"),
        ("a[x=1", "opens a bracket and does not close it"),
        ("a[x=1 y", "opens a bracket and does not close it"),
        ("a[x=1]b", "cannot be read at 'b'"),
        ("a[x>many]", "> needs a number"),
        ('"a', "opens a quotation mark and does not close it"),
    ],
)
def test_what_cannot_be_read_is_told_in_a_line(text: str, told: str) -> None:
    with pytest.raises(FunnelError) as raised:
        parse_steps(text)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"order": "sorted"}, "'sorted' is no order; use ordered, strict, unordered"),
        ({"window": "30"}, "the window: '30' is no duration"),
        ({"step_window": "0m"}, "the window of a step: '0m' is no duration"),
        ({"order": "unordered", "step_window": "1m"}, "no step comes before another"),
        ({"optional": "a"}, "the first step, a, is where people enter"),
        ({"optional": "d"}, "the optional step d is not among the steps; name one of a, b, c"),
        ({"exclude": "x,b"}, "b is a step and excluded"),
        ({"count_by": "device"}, "'device' is no way to count; use visitor, user, session"),
        ({"attribution": "middle"}, "'middle' is no attribution; use first, last, step, all"),
        ({"attribution_step": "b"}, "goes with the attribution step only"),
        ({"attribution": "step", "attribution_step": "d"}, "d is not among the steps a, b, c"),
        ({"since": "yesterday"}, "'yesterday' is no day; write it as 2026-03-17"),
        ({"since": "2026-03-02", "until": "2026-03-01"}, "the period ends on 2026-03-01, before it begins"),
        ({"timezone": "Mars/Base"}, "no time zone is named 'Mars/Base'"),
        ({"timezone": "../etc/passwd"}, "no time zone is named"),
        ({"exclude": ",".join(f"x{number}" for number in range(28))}, "at most 30 steps and excluded events"),
    ],
)
def test_a_funnel_that_contradicts_itself_is_told_in_a_line(how: dict[str, Any], told: str) -> None:
    with pytest.raises(FunnelError) as raised:
        declare("a,b,c", **how)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_funnel_has_everything_that_was_asked_for() -> None:
    funnel = declare(
        "a,b,c[x=1]",
        order="strict",
        window="90s",
        optional="b",
        exclude="z[q=1]",
        count_by="session",
        by="device",
        attribution="step",
        attribution_step="c[x=1]",
    )
    assert (funnel.order, funnel.count_by, funnel.attribution) == (Order.STRICT, CountBy.SESSION, Attribution.STEP)
    assert (funnel.window_us, funnel.step_window_us) == (90_000_000, NO_LIMIT_US)
    assert (funnel.required, funnel.attribution_step) == ((0, 2), 2)
    assert funnel.fields == ("x", "q", "device")
