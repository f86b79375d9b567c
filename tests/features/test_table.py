"""Feature tables: what is refused and with which words, and what their fingerprints notice."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from features.friction import Friction
from features.scan import DeclarationError, any_event, category, count, distinct, hour, last, on, prop, stage, weekday
from features.scan import key as key_value
from features.table import Feature, FeatureTable, Stage, is_missing, names_heard, nearest

CLICKS = Feature("clicks", count("click"), Friction.FORM, "{:click|clicks}")
STAGES = (Stage("browse", "view"), Stage("pay", on("pay", "choose")))
TABLE = FeatureTable(("click", "view", "pay", "choose", "intervention_shown"), STAGES, (CLICKS,))


def feature(
    name: str = "clicks", scan: object = None, friction: object = Friction.FORM, phrase: str = "{:.0f}"
) -> Feature:
    return Feature(name, count("click") if scan is None else scan, friction, phrase)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (lambda: feature("Clicks"), "feature 'Clicks': write the name as a lower-case identifier with its unit"),
        (lambda: feature("form errors"), "feature 'form errors': write the name as a lower-case identifier"),
        (lambda: feature(scan="click"), "feature 'clicks': 'click' is no scan: write for example count('event_name')"),
        (lambda: feature(scan=prop("x")), "is no scan"),
        (lambda: feature(friction="form"), "feature 'clicks': 'form' is no friction: write Friction.FORM"),
        (lambda: feature(phrase="clicks"), "feature 'clicks': the phrase 'clicks' should be words with one number"),
        (lambda: feature(phrase="{} and {}"), "does not format a number"),
        (lambda: feature(phrase="{0} and {0}"), "should be words with one number"),
        (lambda: feature(phrase="{count}"), "does not format a number"),
        (lambda: feature(phrase="{:s}"), "does not format a number"),
        (lambda: feature(phrase="{:.0f"), "does not format a number"),
        (lambda: feature(phrase=" "), "should be words with one number"),
        (lambda: feature(scan=category("device"), phrase="{:.0f} devices"), "should be words without a number"),
        (lambda: replace(TABLE, features=()), "a feature table needs at least one feature"),
        (lambda: replace(TABLE, stages=()), "a journey needs at least one stage: Stage('browse', enters='page_view')"),
        (lambda: replace(TABLE, features=(CLICKS, CLICKS)), "feature 'clicks' is declared twice: rename or remove one"),
        (lambda: replace(TABLE, stages=(STAGES[0], STAGES[0])), "stage 'browse' is declared twice"),
        (lambda: replace(TABLE, events=("click", "view", "click")), "event 'click' is declared twice"),
        (lambda: replace(TABLE, timezone="Mars/Olympus"), "time zone 'Mars/Olympus' is unknown: write for example"),
        (lambda: replace(TABLE, timezone="../etc/passwd"), "time zone '../etc/passwd' is unknown"),
        (
            lambda: replace(TABLE, stages=(Stage("a", on("view", x=1)),)),
            "stage 'a': enters takes event names: enters=on('a', 'b')",
        ),
        (lambda: replace(TABLE, stages=(Stage("a", any_event),)), "stage 'a': enters takes event names"),
        (
            lambda: replace(TABLE, stages=(Stage("a", on("view").within(1, of="click")),)),
            "stage 'a': enters takes event names",
        ),
        (
            lambda: replace(TABLE, stages=(Stage("a", "veiw"),)),
            "stage 'a' listens to 'veiw', which the journey's events do not list; did you mean one of view,",
        ),
        (
            lambda: replace(TABLE, features=(feature(scan=count("clik")),)),
            "feature 'clicks' listens to 'clik', which the journey's events do not list; did you mean one of click,",
        ),
        (
            lambda: replace(TABLE, features=(feature(scan=count(on("click").within(1, of="veiw"))),)),
            "feature 'clicks' listens to 'veiw'",
        ),
        (
            lambda: replace(TABLE, features=(feature(scan=count("click") / count("veiw")),)),
            "feature 'clicks' listens to 'veiw'",
        ),
        (
            lambda: replace(TABLE, features=(feature(scan=count("intervention_shown")),)),
            "feature 'clicks' listens to 'intervention_shown', which records what was shown, not what people did",
        ),
        (
            lambda: replace(TABLE, stages=(Stage("a", "intervention_shown"),)),
            "stage 'a' listens to 'intervention_shown', which records what was shown",
        ),
    ],
)
def test_what_is_declared_wrongly_is_refused_with_what_to_write(declare: Callable[[], object], said: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        declare()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_identities_and_clocks_are_categories_and_counts_of_them_are_not() -> None:
    for scan in (category("device"), last(key_value("product")), hour, weekday):
        assert Feature("one", scan, Friction.NONE, "words").is_category
    for scan in (count("click"), distinct(key_value("product")), stage, count("click") - count("view")):
        assert not Feature("one", scan, Friction.NONE, "{:.0f} words").is_category


def test_a_feature_says_its_number() -> None:
    assert CLICKS.say(1) == "1 click"
    assert CLICKS.say(2_000) == "2,000 clicks"


def test_a_fingerprint_changes_with_all_that_changes_a_value_and_with_nothing_else() -> None:
    same = [
        replace(TABLE, features=(replace(CLICKS, phrase="{:.0f} clicks"),)),
        replace(TABLE, features=(replace(CLICKS, friction=Friction.PRICE),)),
        replace(TABLE, stages=(replace(STAGES[0], description="looking", owner="me"), STAGES[1])),
        replace(TABLE, stages=(STAGES[0], replace(STAGES[1], enters=on("choose", "pay")))),
        replace(TABLE, events=("extra", *TABLE.events)),
    ]
    other = [
        replace(TABLE, features=(replace(CLICKS, name="taps"),)),
        replace(TABLE, features=(replace(CLICKS, expression=count("click", per="stage")),)),
        replace(TABLE, features=(replace(CLICKS, expression=count(on("click", x=1))),)),
        replace(TABLE, stages=STAGES[::-1]),
        replace(TABLE, stages=(STAGES[0],)),
        replace(TABLE, stages=(STAGES[0], replace(STAGES[1], enters=on("pay")))),
        replace(TABLE, timezone="Europe/Paris"),
    ]
    assert {table.fingerprint for table in same} == {TABLE.fingerprint}
    assert len({table.fingerprint for table in (TABLE, *other)}) == 1 + len(other)


def test_the_order_of_the_columns_is_part_of_a_table_but_not_of_its_features() -> None:
    views = Feature("views", count("view"), Friction.CHOICE, "{:.0f}")
    forward, backward = (replace(TABLE, features=order) for order in ((CLICKS, views), (views, CLICKS)))
    assert forward.fingerprint != backward.fingerprint
    assert forward.fingerprints == backward.fingerprints
    assert forward.names == ("clicks", "views")


def test_the_names_that_a_scan_hears_include_those_that_only_break_or_start_it() -> None:
    from features.scan import streak

    assert names_heard(count(any_event)) == ()
    assert names_heard(count(on("a", "b").within(1, of=("c",)))) == ("a", "b", "c")
    assert names_heard(streak(on("a", x=1), among=on("a", "b"))) == ("a", "a", "b")


def test_the_nearest_names_come_first() -> None:
    assert nearest("payment_fialed", ("view", "payment_failed", "payment"), 1) == ["payment_failed"]
    assert nearest("x", ()) == []


def test_nan_alone_is_missing() -> None:
    assert is_missing(float("nan"))
    assert not is_missing(0.0)
