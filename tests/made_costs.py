"""Costs whose sums can be worked out in the head."""

from typing import Any

from capacity.costs import BATCH, EVENT, RECOMMEND, SCORE, Costs, HistoryCost, MemoryCost, RequestCost


def request_cost(**given: Any) -> RequestCost:
    """What a request takes: nothing but what is said, and always the same."""
    nothing: dict[str, Any] = dict.fromkeys(RequestCost.__struct_fields__, 0.0)
    return RequestCost(**nothing | {"spread": (1.0,)} | given)


COSTS = Costs(
    measured_on="2026-01-01",
    machine="nothing but thought",
    requests={
        EVENT: request_cost(
            loop_ms=1.0, threads_ms=1.0, redis_ms=0.1, postgres_ms=2.0, turn_ms=10.0, turn_alone_ms=12.0,
            request_bytes=400.0, answer_bytes=100.0, disk_bytes=1_000.0, journal_bytes=2_000.0,
        ),
        BATCH: request_cost(
            loop_ms=10.9, threads_ms=10.9, redis_ms=1.09, postgres_ms=21.8, turn_ms=109.0, turn_alone_ms=111.0,
            request_bytes=40_000.0, answer_bytes=100.0, disk_bytes=100_000.0, journal_bytes=101_000.0,
        ),
        SCORE: request_cost(loop_ms=1.0, redis_ms=0.2),
        RECOMMEND: request_cost(loop_ms=2.0, threads_ms=1.0, turn_ms=5.0, turn_alone_ms=5.0, disk_bytes=2_000.0),
    },
    memory=MemoryCost(events=10, worker_bytes=1_000.0, redis_bytes=2_000.0, empty_worker_bytes=300e6),
    history=HistoryCost(
        events=1_000_000,
        features_seconds=10.0,
        features_peak_bytes=1e9,
        training_fixed_seconds=36.0,
        training_seconds=72.0,
        training_peak_bytes=1e9,
        log_bytes=20.0,
        rows_bytes=30.0,
    ),
)  # fmt: skip
