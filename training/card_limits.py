"""The part of a model card about limits: those that the figures show, and those that hold for every model."""

from collections.abc import Iterator, Mapping
from typing import Any

from training.card_tables import interval, number
from training.trained import as_date


def limits_section(card: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines about where the model is weak, by its own figures, and what it cannot say."""
    yield "## Limits"
    yield ""
    yield from (f"* {limit}" for limit in _measured_limits(card["held_out"]))
    data = card["data"]
    yield (
        f"* The figures are about sessions from {as_date(data['held_out_from_us'])} to {as_date(data['last_at_us'])}. "
        "People, prices and pages change; so does the quality."
    )
    yield "* A session that ends by silence counts as abandoned after the timeout. Another timeout gives other labels."
    yield "* Whoever returns on another device is a new visitor to the features."
    yield "* How often the named blockers are the true ones is not measured here; `dropoff evaluate --truth` does."


def _measured_limits(held_out: Mapping[str, Any]) -> Iterator[str]:
    useless, unknown = [], []
    for kind, blocks in (("after {} events", "by_events"), ("at stage {}", "by_stage"), ("for {}", "by_cohort")):
        for name, block in held_out[blocks].items():
            skill = block["intervals"]["brier_skill"]
            named = kind.format(name.replace("=", " ", 1))
            if block["n_rows"] and skill is None:
                unknown.append(named)
            elif skill is not None and skill[0] <= 0:
                useless.append(f"{named} ({number(block['brier_skill'])} {interval(skill)})")
    if useless:
        yield f"It may be no better than the base rate, by the Brier skill and its interval: {'; '.join(useless)}."
    if unknown:
        yield f"Too few people to say how good it is: {'; '.join(unknown)}."
    ece = held_out["intervals"]["ece"]
    yield f"Risks are off by {number(held_out['ece'])} {interval(ece)} in the mean (ECE over every prefix)."
