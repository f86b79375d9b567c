"""A new version of the policy in the shadow: asked what it would do beside the live one, off the answer's path.

An answer waits for nothing here: what was decided is put into a queue, and a thread of its own asks the version about
it. Where the queue is full the decision is dropped and counted; whatever the version raises is counted, too.
"""

import logging
import math
import threading
from collections.abc import Mapping
from dataclasses import replace
from queue import Full, Queue
from time import perf_counter

from decisions.decision import Decision
from decisions.policy import NOTHING, Policy, choose
from decisions.trial import Moment
from storage.rollout_store import ShadowCounts

_LOG = logging.getLogger("dropoff.serving")
_MOST_WAITING = 1_000
_ROUNDING = 1e-9

Asked = tuple[Moment, Mapping[str, float]]


class Shadow:
    """One version in the shadow, in one process, until :meth:`close`."""

    def __init__(self, version: str, policy: Policy, slow_seconds: float, most_waiting: int = _MOST_WAITING) -> None:
        self.version = version
        self._policy, self._slow_seconds = policy, slow_seconds
        self._queue: Queue[Asked | None] = Queue(most_waiting)
        self._guard = threading.Lock()
        self._counts = ShadowCounts()
        self._failed = False
        self._thread = threading.Thread(target=self._work, name=f"shadow-{version}", daemon=True)
        self._thread.start()

    def look(self, moment: Moment, decision: Decision) -> None:
        """Ask the version about a decision later; returns at once."""
        try:
            self._queue.put_nowait((moment, decision.propensities))
        except Full:
            self._add(ShadowCounts(dropped=1))

    def take(self) -> ShadowCounts:
        """Return what was counted since the last time."""
        with self._guard:
            found, self._counts = self._counts, ShadowCounts()
        return found

    def give_back(self, counts: ShadowCounts) -> None:
        """Count what could not be kept once more."""
        self._add(counts)

    def wait(self) -> None:
        """Return when the version has been asked about everything that was put in by now."""
        self._queue.join()

    def close(self) -> None:
        """Ask about nothing more."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (asked := self._queue.get()) is not None:
            try:
                self._add(self._compare(*asked))
            except Exception:  # noqa: BLE001 (whatever a version raises, nobody is to notice it but who counts)
                if not self._failed:
                    _LOG.exception(
                        "Version %s of the policy failed in the shadow; later failures are counted", self.version
                    )
                self._failed = True
                self._add(ShadowCounts(compared=1, failed=1))
            finally:
                self._queue.task_done()

    def _compare(self, moment: Moment, live: Mapping[str, float]) -> ShadowCounts:
        started = perf_counter()
        assessment = self._policy.assess(moment.allowed.eligible, moment.situation)
        odds = choose(assessment, moment.settings.exploration, 0.0).propensities
        seconds = perf_counter() - started
        names = {NOTHING, *(one.name for one in moment.allowed.eligible)}
        found = ShadowCounts(compared=1, slow=int(seconds > self._slow_seconds), seconds=seconds)
        if not are_propensities(odds) or odds.keys() != names:
            return replace(found, invalid=1)
        return replace(
            found,
            agreement=sum(min(value, live.get(name, 0.0)) for name, value in odds.items()),
            acted=1.0 - odds[NOTHING],
            acted_live=1.0 - live.get(NOTHING, 0.0),
        )

    def _add(self, counts: ShadowCounts) -> None:
        with self._guard:
            self._counts += counts


def are_propensities(odds: Mapping[str, float]) -> bool:
    """Whether numbers are probabilities that sum to one."""
    values = list(odds.values())
    return all(math.isfinite(one) and -_ROUNDING <= one <= 1 + _ROUNDING for one in values) and math.isclose(
        sum(values), 1.0, abs_tol=1e-6
    )
