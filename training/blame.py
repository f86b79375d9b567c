"""How right the named blocker is, against the truth: accuracy, ranking, the abstention curve and false blame."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.metrics import roc_auc_score

from decisions.diagnosis import NOTHING
from features.events import FloatArray, IntArray
from training.bootstrap import Statistic, person_intervals
from training.diagnosed import Diagnosed
from training.metrics import calibration_error, reliability

COVERAGES = tuple(round(0.1 * step, 1) for step in range(1, 11))
RECALL = 0.8
SMALLEST_CONFIDENCE = 1e-12
BoolArray = NDArray[np.bool_]
Figures = dict[str, object]
_FIGURES = ("top1", "top1_forced", "top1_all", "named", "macro_auc", "majority", "right_where_named")


@dataclass(frozen=True, slots=True)
class Blamed:
    """Sessions (R,) read at one kind of moment, with the truth and with what is said of them.

    ``blockers`` are places among the table's K frictions, -1 for none; ``rivals`` are scores (R, K) of simpler methods
    by name.
    """

    diagnosed: Diagnosed
    blockers: IntArray
    persons: IntArray
    rivals: Mapping[str, FloatArray]

    def take(self, rows: BoolArray) -> "Blamed":
        """Return the chosen rows."""
        confidence = self.diagnosed.confidence
        diagnosed = Diagnosed(
            self.diagnosed.scores[rows],
            self.diagnosed.named[rows],
            self.diagnosed.certainty[rows],
            None if confidence is None else confidence[rows],
        )
        rivals = {name: scores[rows] for name, scores in self.rivals.items()}
        return Blamed(diagnosed, self.blockers[rows], self.persons[rows], rivals)


def strongest(scores: FloatArray, planted: IntArray) -> IntArray:
    """Return the place (R,) of the largest score among the planted frictions, whatever its size."""
    found: IntArray = planted[scores[:, planted].argmax(axis=1)]
    return found


def normalised(scores: FloatArray, planted: IntArray) -> FloatArray:
    """Return log-odds among the planted frictions (R, P): which speaks loudest, whatever else the session shows."""
    found: FloatArray = log_softmax(scores[:, planted], axis=1)
    return found


def measure_blame(blamed: Blamed, planted: IntArray, names: tuple[str, ...], *, resamples: int, seed: int) -> Figures:
    """Return the figures of sessions whose exit a planted blocker caused; None where they are undefined.

    ``top1`` takes the strongest of the planted frictions, and nothing where the product abstains; an abstention is
    wrong. ``top1_forced`` does without abstaining, ``top1_all`` is the product's own answer among all frictions.
    """
    count = len(blamed.blockers)
    if not count:
        rivals = [f"{name}_{figure}" for name in blamed.rivals for figure in ("top1", "macro_auc")]
        return {"n": 0, "n_visitors": 0, **dict.fromkeys((*_FIGURES, *rivals))}
    truth, said = blamed.blockers, blamed.diagnosed
    guess = strongest(said.scores, planted)
    forced = guess == truth
    spoken = (said.named != NOTHING) & (said.scores[:, planted].max(axis=1) > 0)
    rates: dict[str, FloatArray] = {
        "top1": (forced & spoken).astype(np.float64),
        "top1_forced": forced.astype(np.float64),
        "top1_all": (said.named == truth).astype(np.float64),
        "named": (said.named != NOTHING).astype(np.float64),
    }
    commonest = int(np.bincount(truth).argmax())
    rates["majority"] = (truth == commonest).astype(np.float64)
    for name, scores in blamed.rivals.items():
        rates[f"{name}_top1"] = (strongest(scores, planted) == truth).astype(np.float64)
    # Confidences are probabilities: what counts is each one's share of them.
    loudness = normalised(np.log(np.maximum(said.scores, SMALLEST_CONFIDENCE)), planted)

    def macro_auc(weights: FloatArray) -> float | None:
        return mean_auc(loudness, truth, planted, weights)

    statistics: dict[str, Statistic] = {name: _mean(values) for name, values in rates.items()}
    statistics["macro_auc"] = macro_auc
    figures: Figures = {"n": count, "n_visitors": len(np.unique(blamed.persons))}
    figures |= {name: statistic(np.ones(count)) for name, statistic in statistics.items()}
    figures["intervals"] = person_intervals(statistics, blamed.persons, resamples=resamples, seed=seed)
    for name, scores in blamed.rivals.items():
        figures[f"{name}_macro_auc"] = mean_auc(normalised(scores, planted), truth, planted, np.ones(count))
    heard = said.named != NOTHING
    figures["right_where_named"] = float((said.named == truth)[heard].mean()) if heard.any() else None
    figures["majority_blocker"] = names[commonest]
    figures["by_blocker"] = {
        names[place]: {
            "n": int((truth == place).sum()),
            "named": _share(said.named != NOTHING, truth == place),
            "top1": _share(forced & spoken, truth == place),
            "top1_forced": _share(forced, truth == place),
            "answers": _answers(said.named[truth == place], names),
        }
        for place in planted.tolist()
    }
    return figures


def mean_auc(scores: FloatArray, truth: IntArray, planted: IntArray, weights: FloatArray) -> float | None:
    """Return the mean over planted frictions of the AUC of its scores (R, P), its sessions against the others'."""
    areas = []
    for column, place in enumerate(planted.tolist()):
        mine = (truth == place) & (weights > 0)
        others = (truth != place) & (weights > 0)
        if mine.any() and others.any():
            areas.append(float(roc_auc_score(truth == place, scores[:, column], sample_weight=weights)))
    return float(np.mean(areas)) if areas else None


def abstention_curve(blamed: Blamed, planted: IntArray) -> list[dict[str, float]]:
    """Return how often the strongest planted friction is the blocker where only the surest answers are given.

    ``coverage`` is the share of sessions with an answer, ``accuracy`` the share of right ones among these.
    """
    order = np.argsort(-blamed.diagnosed.certainty, kind="stable")
    right = (strongest(blamed.diagnosed.scores, planted) == blamed.blockers)[order]
    curve = []
    for coverage in COVERAGES if len(right) else ():
        count = max(1, round(coverage * len(right)))
        curve.append({"coverage": coverage, "n": count, "accuracy": float(right[:count].mean())})
    return curve


def confidence_calibration(blamed: Blamed) -> Figures | None:
    """Return how far the stated confidence of the named blocker is from how often it is right; None without one."""
    confidence, named = blamed.diagnosed.confidence, blamed.diagnosed.named != NOTHING
    if confidence is None or not named.any():
        return None
    right = (blamed.diagnosed.named == blamed.blockers)[named].astype(np.float64)
    weights = np.ones(len(right))
    stated, observed, count = reliability(right, confidence[named], weights, 10)
    return {
        "n": len(right),
        "ece": calibration_error(right, confidence[named], weights, 10),
        "bins": [
            {"confidence": float(mean), "right": float(share), "n": int(size)}
            for mean, share, size in zip(stated, observed, count, strict=True)
        ],
    }


def false_blame(
    blamed: Blamed, planted: IntArray, caused: BoolArray, abandoned: BoolArray, *, resamples: int, seed: int
) -> Figures:
    """Return what share of sessions without a blocker is blamed as loudly as most of those that one ended.

    ``caused`` and ``abandoned`` (R,) say which sessions a blocker ended, and which were abandoned at all. Loudness is
    the largest score of the planted frictions, and of all frictions in the figures ``..._any``.
    """
    unblocked = blamed.blockers == NOTHING
    among = {"": unblocked & abandoned, "_all": unblocked}
    loudest = {"": blamed.diagnosed.scores[:, planted].max(axis=1), "_any": blamed.diagnosed.scores.max(axis=1)}
    ones = np.ones(len(caused))
    name = f"false_blame_at_{RECALL * 100:.0f}"
    figures: Figures = {}
    for suffix, without in among.items():
        for which, loud in loudest.items():
            figures[f"{name}{suffix}{which}"] = share_above(loud, caused, without, ones)
        figures[f"unblocked{suffix}"] = int(without.sum())
        figures[f"named_without_blocker{suffix}"] = _share(blamed.diagnosed.named != NOTHING, without)
    statistics: dict[str, Statistic] = {
        f"{name}{suffix}": partial(share_above, loudest[""], caused, without) for suffix, without in among.items()
    }
    figures["intervals"] = person_intervals(statistics, blamed.persons, resamples=resamples, seed=seed)
    figures["false_blame_curve"] = [
        {"recall": recall, "false_blame": share_above(loudest[""], caused, among[""], ones, recall)}
        for recall in COVERAGES
    ]
    return figures


def share_above(
    loud: FloatArray, caused: BoolArray, without: BoolArray, weights: FloatArray, recall: float = RECALL
) -> float | None:
    """Return the weighted share of ``without`` that is at least as loud as so large a share of ``caused``."""
    mass, others = weights[caused], weights[without]
    if not mass.sum() or not others.sum():
        return None
    order = np.argsort(-loud[caused], kind="stable")
    reached = np.cumsum(mass[order]) >= recall * mass.sum() * (1 - 1e-12)
    threshold = loud[caused][order][int(reached.argmax())]
    return float(others[loud[without] >= threshold].sum() / others.sum())


def _mean(values: FloatArray) -> Callable[[FloatArray], float | None]:
    return lambda weights: float(np.average(values, weights=weights))


def _share(values: BoolArray, among: BoolArray) -> float | None:
    return float(values[among].mean()) if among.any() else None


def _answers(named: IntArray, names: tuple[str, ...]) -> dict[str, int]:
    told = ["nothing" if place == NOTHING else names[place] for place in named.tolist()]
    counts = {answer: told.count(answer) for answer in set(told)}
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
