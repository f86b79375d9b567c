"""What a comparison comes to, in a sentence."""

from training.paired import HIGHER_IS_BETTER, Difference, DifferenceBlock

NAMES = {"log_loss": "log loss", "auc": "AUC", "ap": "average precision", "brier": "Brier score", "ece": "ECE"}


def judge(first: str, second: str, overall: DifferenceBlock, *, resampled: bool = True) -> tuple[str, str | None]:
    """Return the result in words, and the better version or None; not ``resampled``, no figure has an interval.

    The log loss over all prefixes decides, as it does when a training promotes; figures that speak against it are told.
    """
    loss = overall.figures["log_loss"]
    people = f"{overall.n_visitors:,} visitors"
    pair = f"versions {first} and {second}"
    if loss.difference is not None and not resampled:
        told = f"The log loss of version {second} is {_change(loss)} ({people})"
        return f"{told}; without resamples nobody can tell whether that is chance.", None
    if loss.difference is None or loss.interval is None:
        return f"{people} are too few to tell {pair} apart: each outcome needs ten.", None
    if not any(figure.difference for figure in overall.figures.values()) and not any(loss.interval):
        return f"Versions {first} and {second} are as good as each other: no figure differs on this log.", None
    if not loss.is_real:
        told = (
            f"The log loss of version {second} is {_change(loss)}, and the 95 % interval of "
            f"the difference, {_interval(loss)}, holds zero ({people})."
        )
        return f"No difference between {pair} can be told. {told}{_others(second, overall)}", None
    better, worse = (second, first) if loss.difference < 0 else (first, second)
    share = abs(loss.difference) / (loss.first or 1.0)
    told = (
        f"Version {better} predicts better than version {worse}: the log loss of version {second} is "
        f"{_change(loss)} ({share:.1%}; 95 % interval of the difference {_interval(loss)}; {people})."
    )
    return told + _others(second, overall), better


def _others(second: str, overall: DifferenceBlock) -> str:
    """Return a sentence about figures that differ by more than chance, and not as the log loss does."""
    loss = overall.figures["log_loss"]
    told = [
        f"its {NAMES[name]} is {_change(figure)}"
        for name, figure in overall.figures.items()
        if name != "log_loss"
        and figure.is_real
        and not (loss.is_real and _improves(name, figure) == _improves("", loss))
    ]
    return f" Of version {second}, though, {' and '.join(told)}, which is more than chance." if told else ""


def _improves(name: str, figure: Difference) -> bool:
    return ((figure.difference or 0.0) > 0) == (name in HIGHER_IS_BETTER)


def _change(figure: Difference) -> str:
    difference = figure.difference or 0.0
    return f"{abs(difference):.4f} {'lower' if difference < 0 else 'higher'}"


def _interval(figure: Difference) -> str:
    low, high = figure.interval or (0.0, 0.0)
    return f"{low:+.4f} to {high:+.4f}"
