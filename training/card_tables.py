"""Figures and tables of a model card in Markdown."""

from collections.abc import Iterator, Sequence

FIGURES = {
    "auc": "AUC",
    "ap": "Average precision",
    "log_loss": "Log loss",
    "brier": "Brier",
    "brier_skill": "Brier skill",
    "ece": "ECE",
    "base_rate": "Base rate",
}


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table; texts of the log keep to their cells."""
    for cells in (headers, ["---"] * len(headers), *rows):
        yield f"| {' | '.join(_cell(text) for text in cells)} |"


def number(value: float | None, digits: int = 3) -> str:
    """Return a figure, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def percent(share: float) -> str:
    """Return a share in percent, to a tenth."""
    return f"{100 * share:.1f} %"


def interval(bounds: Sequence[float] | None) -> str:
    """Return the ends of an interval in brackets, or nothing where there is none."""
    return "" if bounds is None else f"({number(bounds[0])} to {number(bounds[1])})"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
