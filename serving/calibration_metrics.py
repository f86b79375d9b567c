"""Whether risks keep their word: what was said of sessions, beside how many of them were abandoned in the end."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter

BINS = tuple(f"{tenth / 10:.1f}-{(tenth + 1) / 10:.1f}" for tenth in range(10))
_SHOWN = {False: "nothing", True: "something"}


@dataclass(frozen=True, slots=True)
class JudgedRisk:
    """A risk and what came of its session: ``weight`` is its part of the session, of which all parts make one.

    ``shown`` says whether the session was recommended anything, at whatever moment.
    """

    version: str
    risk: float
    abandoned: bool
    weight: float
    shown: bool


class CalibrationMetrics:
    """Sums over sessions whose end is known, by model, by tenths of the risk, and by whether anything was recommended.

    Over any stretch of time, ``risk / sessions`` of a bin is what was said and ``abandoned / sessions`` what came.
    ``variance`` bounds the variance that their difference has by chance where the model is right: the risks p_i that
    are said of one session one after the other are then a martingale, Cov(y - p_i, y - p_j) = E[p_j (1 - p_j)] for
    i before j, which is at most E[p_i (1 - p_i)]. So Var(sum w_i (y - p_i)) <= sum w_i E[p_i (1 - p_i)] for weights
    w_i that sum to one.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["version", "shown", "bin"]
        self._sessions, self._risk, self._abandoned = (
            Counter(f"dropoff_calibration_{name}", about, labels, registry=registry)
            for name, about in (
                ("sessions", "Sessions whose end is known, each shared among its decisions, by the risk at each."),
                ("risk", "The risks that these were told, summed alike: how many of them should have been abandoned."),
                ("abandoned", "How many of these were abandoned."),
            )
        )
        self._variance = Counter(
            "dropoff_calibration_variance",
            "The most variance that the abandoned have by chance, were the risks right.",
            ["version", "shown"],
            registry=registry,
        )

    def expect(self, version: str) -> None:
        """Let the sums of a model stand at none before the first: rates see no rise in a series that begins with it."""
        for shown in _SHOWN.values():
            self._variance.labels(version, shown)
            for one in BINS:
                for counter in (self._sessions, self._risk, self._abandoned):
                    counter.labels(version, shown, one)

    def judge(self, one: JudgedRisk) -> None:
        """Record a risk and what came of it."""
        shown = _SHOWN[one.shown]
        labels = (one.version, shown, BINS[min(int(one.risk * len(BINS)), len(BINS) - 1)])
        self._sessions.labels(*labels).inc(one.weight)
        self._risk.labels(*labels).inc(one.weight * one.risk)
        self._abandoned.labels(*labels).inc(one.weight * one.abandoned)
        self._variance.labels(one.version, shown).inc(one.weight * one.risk * (1 - one.risk))
