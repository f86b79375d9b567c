"""What one process of all does: who does it, how it goes, and how far behind it is."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge


class DutyMetrics:
    """The gauges of duties. Only the process that has a duty knows them: at all others they are 0.

    So what holds for a site is the largest of its processes' values.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._held = Gauge(
            "dropoff_duty_held",
            "Whether a process has a duty; 1 of all processes that serve a journey, for each duty.",
            ["duty"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._failures = Counter(
            "dropoff_duty_failures", "How often a duty had to begin anew.", ["duty"], registry=registry
        )
        self._gauges: dict[str, list[Gauge]] = {}
        self._versions: set[str] = set()
        self.sessions_waiting, self.sweep_lag_seconds, self.sweep_events_behind = self._of(
            "sweep",
            ("sessions_waiting", "Sessions whose end is not known, of all processes."),
            ("sweep_lag_seconds", "For how long the longest silent session should have been closed."),
            ("sweep_events_behind", "Positions of the log that the sweeper has not looked at."),
        )
        self.decisions_waiting, self.oldest_waiting_seconds, self.ledger_lag_seconds = self._of(
            "rewards",
            ("decisions_waiting", "Decisions of which it is not known yet what came of them."),
            ("oldest_waiting_seconds", "How long ago the oldest of them was made."),
            ("ledger_lag_seconds", "For how long the longest due of them should have been looked at."),
        )
        self.follow_ups_waiting, self.follow_ups_lag_seconds, self.follow_ups_given_up = self._of(
            "follow-ups",
            ("follow_ups_waiting", "Follow-ups in the outbox that are still to be delivered."),
            ("follow_ups_lag_seconds", "For how long the longest due of them should have been sent."),
            ("follow_ups_given_up", "Follow-ups that were given up and wait for somebody to send them again."),
        )
        # Every process knows these, to within seconds.
        self.budget_price, self.budget_spent = (
            Gauge(f"dropoff_budget_{name}", about, registry=registry, multiprocess_mode="livemax")
            for name, about in (
                ("price", "What the budget adds to the cost of showing something, as its unit says."),
                ("spent", "How much of the budget is spent: decisions with a recommendation, or money today."),
            )
        )
        self.policy_revision, self.policy_decisions, self.policy_rewards_behind = (
            Gauge(f"dropoff_{name}", about, ["policy"], registry=registry, multiprocess_mode="livemostrecent")
            for name, about in (
                ("policy_revision", "The newest revision of what a policy has learnt."),
                ("policy_decisions", "How many decisions it has learnt from."),
                ("policy_rewards_behind", "How many rewards it has not looked at yet."),
            )
        )

    def show_learnt(self, version: str, revision: int, decisions: int, behind: int) -> None:
        """Record how far a policy that learns has come, and how many rewards it has still to look at."""
        self._versions.add(version)
        self.policy_revision.labels(version).set(revision)
        self.policy_decisions.labels(version).set(decisions)
        self.policy_rewards_behind.labels(version).set(behind)

    def expect(self, duty: str) -> None:
        """Let a duty that this process stands ready for be shown, as nobody's yet."""
        self._held.labels(_kind(duty)).set(0)
        # Rates see no rise in a series that begins with it.
        self._failures.labels(_kind(duty))

    def hold(self, duty: str) -> None:
        """Record that this process has a duty."""
        self._held.labels(_kind(duty)).set(1)

    def let_go(self, duty: str) -> None:
        """Record that this process has a duty no more; to be said once, as what others show since then is newer."""
        kind = _kind(duty)
        self._held.labels(kind).set(0)
        # Who has it now tells; what stood here would stand beside it for ever.
        for gauge in self._gauges.get(kind, ()):
            gauge.set(0)
        if kind == "learning":
            for version in self._versions:
                self.show_learnt(version, 0, 0, 0)

    def fail(self, duty: str) -> None:
        """Record that a duty begins anew."""
        self._failures.labels(_kind(duty)).inc()

    def _of(self, duty: str, *gauges: tuple[str, str]) -> Iterator[Gauge]:
        for name, about in gauges:
            # Only one process has a duty at a time: the latest to say so is right.
            gauge = Gauge(f"dropoff_{name}", about, registry=self._registry, multiprocess_mode="livemostrecent")
            self._gauges.setdefault(duty, []).append(gauge)
            yield gauge


def _kind(duty: str) -> str:
    """Return which duty it is: what follows a colon in its name tells places apart."""
    return duty.partition(":")[0]
