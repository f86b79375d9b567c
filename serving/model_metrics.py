"""What Prometheus is told of models: whether the champion answers, and what the challenger was seen to do."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from storage.challenge_store import ChallengeCounts

_GAPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


class ModelMetrics:
    """The metrics of swaps and challengers, in a service's registry."""

    def __init__(self, registry: CollectorRegistry, step_seconds: tuple[float, ...]) -> None:
        self.swaps = Counter(
            "dropoff_model_swaps",
            "New champions that were noticed: switched to, or refused as they cannot answer.",
            ["result"],
            registry=registry,
        )
        self.swap_seconds = Gauge(
            "dropoff_model_swap_seconds",
            "What loading and rehearsing the model that answers took, off the answers' path.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.behind_seconds = Gauge(
            "dropoff_model_behind_seconds",
            "For how long a process has known of a champion that it does not answer with; 0 where it does.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.challenger = Gauge(
            "dropoff_challenger",
            "The model that is asked beside the champion.",
            ["journey", "version"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.answers = Counter(
            "dropoff_challenger_answers",
            "Answers that the challenger was to give too: compared, failed, or dropped as too many came at once.",
            ["result"],
            registry=registry,
        )
        self.compared = Counter(
            "dropoff_challenger_compared",
            "Answers in which both were compared: of risk, of the first blocker, of the recommendation.",
            ["what"],
            registry=registry,
        )
        self.agreed = Counter(
            "dropoff_challenger_agreed",
            "Of these, how many agreed: on the side of the low risk, on the blocker, and on what to recommend "
            "(the probability to choose the same).",
            ["what"],
            registry=registry,
        )
        self.risk_gap = Histogram(
            "dropoff_challenger_risk_gap",
            "Absolute difference of the challenger's risk and the champion's.",
            buckets=_GAPS,
            registry=registry,
        )
        steps = Histogram(
            "dropoff_challenger_seconds",
            "What the challenger's answers are made of, as dropoff_model_seconds is for the champion.",
            ["step"],
            buckets=step_seconds,
            registry=registry,
        )
        # A count that was never taken is 0, and not missing: rates see no rise in a series that begins with it.
        for counter, kinds in (
            (self.swaps, ("switched", "refused")),
            (self.answers, ("compared", "failed", "dropped")),
            (self.compared, ("risk", "blocker", "recommendation")),
            (self.agreed, ("risk", "blocker", "recommendation")),
        ):
            for kind in kinds:
                counter.labels(kind)
        self._steps = {step: steps.labels(step) for step in ("predict", "explain", "decide")}

    def observe_challenger(self, step: str, seconds: float) -> None:
        """Record how long the challenger's ``predict``, ``explain`` or ``decide`` took."""
        self._steps[step].observe(seconds)

    def count(self, found: ChallengeCounts) -> None:
        """Record what the challenger was seen to do."""
        self.answers.labels("compared").inc(found.answers)
        self.answers.labels("failed").inc(found.failed)
        self.answers.labels("dropped").inc(found.dropped)
        for what, compared, agreed in (
            ("risk", found.answers, found.same_side),
            ("blocker", found.blockers, found.same_blocker),
            ("recommendation", found.decisions, found.same_choice),
        ):
            self.compared.labels(what).inc(compared)
            self.agreed.labels(what).inc(agreed)
