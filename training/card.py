"""The model card: what a version is for, what it was trained on, how good it is and for whom, and where it ends.

After Mitchell et al. 2019, "Model Cards for Model Reporting". Every figure comes from the card's JSON.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from features.phrase import say
from journeys.journey import Journey
from training.card_fairness import fairness_section
from training.card_limits import limits_section
from training.card_tables import FIGURES, interval, number, percent, table
from training.trained import as_date

CARD_FILE = "model_card.md"


def write_card(journey: Journey, card: Mapping[str, Any]) -> str:
    """Return the model card in Markdown; ``card`` is what ``card.json`` holds."""
    sections = (
        _head(journey, card),
        _purpose(journey, card),
        _data(card),
        _quality(card["held_out"]),
        _parts(card["held_out"]),
        fairness_section(card["fairness"]),
        limits_section(card),
        _use(journey),
    )
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _head(journey: Journey, card: Mapping[str, Any]) -> Iterator[str]:
    yield f"# Model card: {journey.title}, version {card['version']}"
    yield ""
    yield f"Registered {card['registered_at']}, run `{card['run_id']}`, journey `{journey.name}`."
    yield f"Owner of the journey: {journey.owner or 'nobody yet'}."


def _purpose(journey: Journey, card: Mapping[str, Any]) -> Iterator[str]:
    ends = journey.ends
    silence = f"a silence of {say('{:duration}', journey.session_timeout_seconds)}"
    abandoned = [*(f"`{name}`" for name in ends.abandoned), *([silence] if ends.silence_abandons else [])]
    outcome = "ends in abandonment"
    if journey.horizon_seconds is not None:
        outcome = f"is abandoned within the next {say('{:duration}', journey.horizon_seconds)}"
    yield "## Purpose"
    yield ""
    yield f"{journey.description} At any moment it gives the probability that the session {outcome}."
    yield ""
    yield f"* Abandoned: {', '.join(abandoned)}."
    yield f"* Not abandoned: {', '.join(f'`{name}`' for name in (*ends.goal, *ends.competing))}."
    yield (
        f"* Model: LightGBM, {card['trees']} trees; calibration: {card['calibrator']}; {len(journey.features)} "
        f"features (fingerprint `{journey.table.fingerprint}`)."
    )


def _data(card: Mapping[str, Any]) -> Iterator[str]:
    data, held_out = card["data"], card["held_out"]
    rows = [
        ("Log", f"`{data['path']}`"),
        ("Digest", f"`{data['digest']}`"),
        ("Time", f"{as_date(data['first_at_us'])} to {as_date(data['last_at_us'])}"),
        ("Events, sessions", f"{data['events']:,}, {data['sessions']:,}"),
        (
            "Training",
            f"{data['training_sessions']:,} sessions that had ended before {as_date(data['held_out_from_us'])}",
        ),
        ("Held out", f"{held_out['n_sessions']:,} later sessions, {held_out['n_rows']:,} prefixes"),
        ("Seed, trials of the search", f"{card['seed']}, {card['trials']}"),
    ]
    yield "## Data"
    yield ""
    yield from table(("", ""), rows)
    yield ""
    yield (
        "Held-out sessions are the latest, of other people than the training's. Sessions that were still open when the "
        "log ended are in neither. A prefix is a session as it stood after one of its events."
    )
    if card["sampled_share"] < 1:
        yield ""
        yield f"The log was too large: a sample of {percent(card['sampled_share'])} of its visitors was taken."


def _quality(held_out: Mapping[str, Any]) -> Iterator[str]:
    once = held_out["session_weighted"]
    yield "## Quality on held-out sessions"
    yield ""
    yield (
        f"{percent(once['base_rate'])} of the sessions and {percent(held_out['base_rate'])} of the prefixes ended in "
        "abandonment. Whoever predicts the latter for all of them has the Brier score "
        f"{number(held_out['base_rate'] * (1 - held_out['base_rate']))} on every prefix, and a Brier skill of 0. "
        "An AUC of 0.5 sorts no better than chance, and average precision has to be read beside the base rate."
    )
    yield ""
    rows = [
        (title, *(f"{number(block[name])} {interval(block['intervals'][name])}" for block in (held_out, once)))
        for name, title in FIGURES.items()
    ]
    yield from table(("Figure, 95 % interval over visitors", "Every prefix", "Each session once"), rows)
    yield ""
    yield (
        "Where each session weighs one, a prefix of a short session weighs more. That weight knows how the session "
        "goes on, so read calibration and log loss on every prefix."
    )


def _parts(held_out: Mapping[str, Any]) -> Iterator[str]:
    yield "## Quality by moment, stage and cohort"
    for title, first, blocks in (
        ("After so many events", "Events", held_out["by_events"]),
        ("By the stage reached", "Stage", held_out["by_stage"]),
        ("By cohort (at least 1 % of the prefixes)", "Cohort", held_out["by_cohort"]),
    ):
        yield ""
        yield f"### {title}"
        yield ""
        rows = [_part(name, block) for name, block in blocks.items() if block["n_rows"]]
        yield from table((first, "Sessions", "Base rate", "AUC", "AP", "Log loss", "Brier skill", "ECE"), rows)


def _part(name: str, block: Mapping[str, Any]) -> Sequence[str]:
    auc = f"{number(block['auc'])} {interval(block['intervals']['auc'])}"
    others = (number(block[figure]) for figure in ("ap", "log_loss", "brier_skill", "ece"))
    return (name.replace("=", ": ", 1), f"{block['n_sessions']:,}", number(block["base_rate"]), auc, *others)


def _use(journey: Journey) -> Iterator[str]:
    yield "## How to use it"
    yield ""
    yield f"* Serve it with `dropoff serve {journey.name}`, or score a log with `dropoff score`."
    yield "* Choose a threshold on the risk by what a false alarm and a missed session cost."
    yield f"* Below a risk of {percent(journey.policy.low_risk)} nothing is recommended."
    yield "* Look for drift with `dropoff drift`, and compare versions on a later log with `dropoff compare`."
    yield ""
    yield "## How not to use it"
    yield ""
    yield "* Not as evidence of what makes people leave: it knows what went together in one log."
    yield "* Not for decisions with serious consequences for a person, such as credit, prices or access."
    yield "* Not to compare persons of different devices, sources or histories where a gap above is real."
    yield "* Not for another journey, another feature table, or sessions that have ended."
