"""The playbook as a document: what is proven first, each tactic with its learning and its evidence."""

from collections.abc import Iterator, Sequence

from insights.days import day_of
from insights.intervals import Estimate
from insights.playbook.declare import declare_command
from insights.playbook.export import count_entries, say_known
from insights.playbook.look import ORDER, Entry, choose_entries
from insights.playbook.standing import US_PER_DAY
from insights.playbook.words import say_effect, say_metric, say_period, say_source
from journeys.journey import Journey
from storage.playbook import Draft, TacticEvidence


def to_markdown(journey: Journey, entries: Sequence[Entry], now_us: int) -> str:
    """Return the playbook in Markdown; the last line ends with a newline."""
    return "\n".join(_lines(journey, entries, now_us)) + "\n"


def _lines(journey: Journey, entries: Sequence[Entry], now_us: int) -> Iterator[str]:
    yield f"# The playbook of {journey.title}"
    yield ""
    yield f"{day_of(now_us, journey.timezone)}: {count_entries(entries)}."
    yield ""
    proven, testing, proposed, retired = (choose_entries(entries, status=status) for status in ORDER)
    yield from _section("Proven", "No tactic is proven yet: that takes an experiment whose verdict is ship.", proven)
    for one in proven:
        yield from _detail(journey, one)
    yield from _due(journey, entries)
    yield from _section("Being tested", "No tactic is being tested.", testing)
    for one in testing:
        yield from _detail(journey, one)
    yield from _proposed(journey, proposed)
    yield from _section("Retired", "Nothing is retired.", retired)
    for one in retired:
        yield from _detail(journey, one)
    yield from _reading(journey)


def _section(title: str, empty: str, entries: Sequence[Entry]) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    if not entries:
        yield empty
        yield ""


def _detail(journey: Journey, one: Entry) -> Iterator[str]:
    tactic = one.tactic
    yield f"### {one.what}"
    yield ""
    yield f"`{one.name}`, owned by {tactic.owner}, {tactic.status} since {day_of(tactic.changed_us, journey.timezone)}."
    yield ""
    if tactic.learning:
        yield f"> {tactic.learning}"
        yield ""
    if tactic.experiment:
        yield f"The experiment {tactic.experiment} tests it."
        yield ""
    if one.standing:
        standing = one.standing
        measured = say_effect(standing.measured.effect, share=standing.is_share)
        yield (
            f"Randomised experiments together: {say_metric(standing.latest.metric)} changed by {measured}. "
            f"Now, the latest being {standing.age_us // US_PER_DAY:,} days old and counting {standing.weight:.0%}: "
            f"{say_known(one)}."
        )
        yield ""
    if tactic.evidence:
        yield from _evidence(tactic.evidence, journey.timezone)


def _evidence(found: Sequence[TacticEvidence], timezone: str) -> Iterator[str]:
    yield "| experiment | days | people | metric | effect | verdict |"
    yield "|---|---|---:|---|---|---|"
    for one in found:
        effect = say_effect(Estimate(one.effect, one.low, one.high), share=one.baseline is not None)
        cells = (one.experiment, say_period(one, timezone), f"{one.people:,}", say_metric(one.metric), effect)
        yield f"| {' | '.join(map(_cell, (*cells, one.verdict)))} |"
    yield ""


def _due(journey: Journey, entries: Sequence[Entry]) -> Iterator[str]:
    due = choose_entries(entries, due=True)
    yield from _section("To be tested again", "Nothing is due for a re-test.", due)
    for one in due:
        yield f"* **{one.name}** ({one.tactic.owner}): {one.why_due}."
        if one.test:
            yield f"  {one.test.hypothesis} {say_size(one.test)}"
            yield f"  `{declare_command(journey, one)}`"
    if due:
        yield ""


def _proposed(journey: Journey, entries: Sequence[Entry]) -> Iterator[str]:
    yield from _section("Proposed", "Nothing is proposed.", entries)
    for one in entries:
        learning = f" {one.tactic.learning}" if one.tactic.learning else ""
        yield f"* **{one.name}** ({one.tactic.owner}, opened {_opened(one)}): {one.what}.{learning}"
        if one.test:
            yield f"  {one.test.hypothesis} {say_size(one.test)}"
            yield f"  `{declare_command(journey, one)}`"
    if entries:
        yield ""
    for one in (entry for entry in entries if entry.tactic.evidence):
        yield f"What is known of `{one.name}`:"
        yield ""
        yield from _evidence(one.tactic.evidence, journey.timezone)


def _opened(one: Entry) -> str:
    source = say_source(one.tactic.source)
    return source if source == one.tactic.source else f"by {source}"


def say_size(test: Draft) -> str:
    """Return how many people a test takes and how long, and what is in the way."""
    if test.people is None or test.per_arm is None:
        return f"No size: {test.reason}." if test.reason else "Not sized."
    days = f" in {test.days:,} days" if test.days is not None else ""
    return f"{test.people:,} visitors{days}{f'; {test.reason}' if test.reason else ''}."


def _reading(journey: Journey) -> Iterator[str]:
    yield "## How to read this"
    yield ""
    yield (
        "A tactic is proven by a randomised experiment whose verdict is ship, and by nothing else. Effects are "
        "absolute rises among those who could see the intervention, with their 95% interval; several experiments are "
        "combined with random effects."
    )
    yield (
        f"Evidence counts half after {journey.evidence_half_life}: its variance doubles. A tactic is to be tested "
        f"again when its interval then holds 0, or when its latest evidence is older than {journey.evidence_limit}."
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
