"""Steps as people write them: event names, alternatives, and conditions on properties."""

import re
from dataclasses import dataclass, replace

OPERATORS = ("!=", ">=", "<=", "=", ">", "<")

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|!=|>=|<=|[=<>,|\[\]]|(?:[^"=<>,|\[\]!]|!(?!=))+|.')
_ESCAPED = re.compile(r"\\(.)")


class FunnelError(ValueError):
    """A funnel is declared wrongly or does not fit the log; one sentence that says what to write instead."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a column or property of the event must be: ``=`` and ``!=`` compare as text, the others as numbers."""

    name: str
    operator: str
    value: str

    def __post_init__(self) -> None:
        if self.operator not in OPERATORS:
            raise FunnelError(f"{self.operator!r} compares nothing; use one of {' '.join(OPERATORS)}")
        if self.operator not in ("=", "!="):
            try:
                float(self.value)
            except ValueError as error:
                raise FunnelError(
                    f"{self.name}{self.operator}{self.value}: {self.operator} needs a number; use = for text"
                ) from error


@dataclass(frozen=True, slots=True)
class Pattern:
    """One event name, and the conditions that hold for it together."""

    event: str
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a funnel: any of several patterns takes it. ``text`` is how it was written, and its name."""

    text: str
    patterns: tuple[Pattern, ...]
    optional: bool = False


def parse_steps(text: str) -> tuple[Step, ...]:
    """Return the steps of ``"view,add|buy_now,pay[method=card,total>=50]"``; raises :class:`FunnelError`.

    A comma parts steps, ``|`` parts names of which any takes the step, and brackets hold conditions that must all
    hold. Double quotes keep what is in them together, as in ``"Order, completed"``.

    >>> [step.text for step in parse_steps("view, add|buy_now")]
    ['view', 'add|buy_now']
    """
    tokens = [token for token in _TOKEN.findall(text) if token.strip()]
    steps: list[Step] = []
    place = 0
    while True:
        step, place = _step(tokens, place, text)
        steps.append(step)
        if place == len(tokens):
            return tuple(steps)
        if tokens[place] != ",":
            raise FunnelError(f"{text!r} cannot be read at {tokens[place]!r}; part the steps by commas")
        place += 1


def mark_optional(steps: tuple[Step, ...], optional: tuple[Step, ...]) -> tuple[Step, ...]:
    """Return the steps with those marked that are written in ``optional`` too; raises :class:`FunnelError`."""
    for step in optional:
        if step.patterns not in [known.patterns for known in steps]:
            raise FunnelError(
                f"the optional step {step.text} is not among the steps; name one of "
                f"{', '.join(known.text for known in steps)}"
            )
    left_out = [step.patterns for step in optional]
    return tuple(replace(step, optional=step.patterns in left_out) for step in steps)


def _step(tokens: list[str], place: int, text: str) -> tuple[Step, int]:
    start, patterns = place, []
    while True:
        pattern, place = _pattern(tokens, place, text)
        patterns.append(pattern)
        if place == len(tokens) or tokens[place] != "|":
            break
        place += 1
    return Step("".join(token.strip() for token in tokens[start:place]), tuple(patterns)), place


def _pattern(tokens: list[str], place: int, text: str) -> tuple[Pattern, int]:
    event, place = _word(tokens, place, text, "an event's name")
    conditions: list[Condition] = []
    if place < len(tokens) and tokens[place] == "[":
        while True:
            name, place = _word(tokens, place + 1, text, "the name of a property")
            if place == len(tokens) or tokens[place] not in OPERATORS:
                raise FunnelError(f"{text!r}: after [{name} comes =, !=, <, <=, > or >= and a value")
            operator = tokens[place]
            value, place = _word(tokens, place + 1, text, f"the value of {name}")
            conditions.append(Condition(name, operator, value))
            if place == len(tokens):
                raise FunnelError(f"{text!r} opens a bracket and does not close it; add ]")
            if tokens[place] == "]":
                place += 1
                break
            if tokens[place] != ",":
                raise FunnelError(f"{text!r} cannot be read at {tokens[place]!r}; part conditions by commas")
    return Pattern(event, tuple(conditions)), place


def _word(tokens: list[str], place: int, text: str, what: str) -> tuple[str, int]:
    if place >= len(tokens) or tokens[place] in (*OPERATORS, ",", "|", "[", "]"):
        found = f"{tokens[place]!r}" if place < len(tokens) else "the end"
        raise FunnelError(f"{text!r}: {what} is missing before {found}")
    word = tokens[place].strip()
    if word == '"':
        raise FunnelError(f"{text!r} opens a quotation mark and does not close it")
    return _ESCAPED.sub(r"\1", word[1:-1]) if word.startswith('"') else word, place + 1
