"""A comparison as tables and sentences."""

from collections.abc import Iterator, Mapping

from rich.text import Text

from journeys.tables import Cell, FittedTable
from training.compare import Comparison, TrainedOn
from training.paired import COMPARED, Difference, DifferenceBlock
from training.trained import as_date

_COLUMNS = {"log_loss": "Log loss", "auc": "AUC", "ap": "AP", "brier": "Brier", "ece": "ECE"}


def tables(comparison: Comparison) -> Iterator[FittedTable]:
    """Yield the figures of both versions, then their differences with intervals, whole and in parts."""
    for name, block in (("every prefix", comparison.overall), ("each session once", comparison.session_weighted)):
        yield _both(
            f"{name.capitalize()}: {block.n_rows:,} prefixes of {block.n_sessions:,} sessions", comparison, block
        )
    yield _parts("Differences after so many events", "Events", comparison.by_events)
    yield _parts("Differences by the stage reached", "Stage", comparison.by_stage)


def warnings(comparison: Comparison) -> Iterator[str]:
    """Yield a sentence for each version that was trained on some of these sessions, or may have been."""
    total = comparison.overall.n_sessions
    for seen in comparison.trained_on:
        yield _warning(seen, total)


def _warning(seen: TrainedOn, total: int) -> str:
    some = f"{seen.sessions:,} of these {total:,} sessions"
    if seen.is_same_log:
        told = f"Version {seen.version} was trained on {some}, so its figures look better than they are"
    else:
        time = f"{as_date(seen.from_us)} to {as_date(seen.until_us)}"
        told = (
            f"{some} lie in the time that version {seen.version} was trained on ({time}); if it has seen them, its "
            "figures look better than they are"
        )
    return f"Warning: {told}. --unseen leaves them out."


def _both(title: str, comparison: Comparison, block: DifferenceBlock) -> FittedTable:
    headers = ("Figure", comparison.first, comparison.second, "Difference", "From", "To")
    rows = []
    for name in COMPARED:
        one = block.figures[name]
        low, high = one.interval or (None, None)
        numbers = [_number(one.first), _number(one.second), *(_signed(value) for value in (one.difference, low, high))]
        rows.append((_COLUMNS[name], *numbers, "more than chance" if one.is_real else ""))
    return FittedTable(title, (*headers, ""), rows, numbers=headers[1:])


def _parts(title: str, first: str, blocks: Mapping[str, DifferenceBlock]) -> FittedTable:
    """Return three rows a block: the differences, and the lower and upper ends of their intervals."""
    numbers = (*_COLUMNS.values(), "Visitors")
    rows = list[tuple[Cell, ...]]()
    for name, block in blocks.items():
        figures = [block.figures[figure] for figure in COMPARED]
        rows.append((name, *(_marked(figure) for figure in figures), f"{block.n_visitors:,}"))
        if any(figure.interval for figure in figures):
            for place, end in enumerate(("from", "to")):
                bounds = [_signed(figure.interval[place] if figure.interval else None) for figure in figures]
                rows.append((Text(f"  {end}", "dim"), *(Text(bound, "dim") for bound in bounds), ""))
    return FittedTable(f"{title} (*: more than chance)", (first, *numbers), rows, numbers=numbers)


def _marked(figure: Difference) -> str:
    return f"{'*' if figure.is_real else ''}{_signed(figure.difference)}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.4f}"
