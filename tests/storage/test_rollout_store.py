"""Rollouts as they are kept, on both databases."""

from dataclasses import replace

from sqlalchemy import Engine

from storage.audit import read_audit
from storage.database import writing
from storage.rollout_store import Rollout, RolloutStore, ShadowCounts, Step

BEGUN = Rollout("5", Step.SHADOW, "priors-1", 1_000, 1_000, figures={"offline": [{"name": "x", "value": 1.5}]})
COUNTS = ShadowCounts(2, 1, 0, 1, 3, 0.75, 0.5, 0.25, 0.125)


def test_a_rollout_is_read_as_it_was_kept_and_stands_in_the_audit(engine: Engine) -> None:
    store = RolloutStore(engine, "shop")
    with writing(engine) as connection:
        store.begin(connection, BEGUN, actor="ann")
    assert store.find("5") == store.ongoing() == BEGUN
    moved = replace(BEGUN, step=Step.EXPERIMENT, experiment="rollout_5", changed_us=2_000)
    with writing(engine) as connection:
        store.move(connection, moved, actor="ann")
    assert store.rollouts() == (moved,)
    with engine.connect() as connection:
        entries = read_audit(connection, "shop")
    assert [(entry.actor, entry.subject, entry.before, entry.after and entry.after["step"]) for entry in entries] == [
        ("ann", "policy 5", None, "shadow"),
        ("ann", "policy 5", {"step": "shadow"}, "experiment"),
    ]


def test_counts_of_all_workers_add_up_and_steps_leave_them_alone(engine: Engine) -> None:
    store = RolloutStore(engine, "shop")
    with writing(engine) as connection:
        store.begin(connection, BEGUN, actor="ann")
        assert store.count(connection, "5", COUNTS)
        assert store.count(connection, "5", COUNTS)
    kept = store.find("5")
    assert kept is not None
    assert kept.shadow == ShadowCounts(4, 2, 0, 2, 6, 1.5, 1.0, 0.5, 0.25) == COUNTS + COUNTS
    with writing(engine) as connection:
        store.move(connection, replace(kept, step=Step.EXPERIMENT, shadow=ShadowCounts()), actor="ann")
        # A worker that is late counts nothing any more.
        assert not store.count(connection, "5", COUNTS)
        assert not store.count(connection, "6", COUNTS)
    again = store.find("5")
    assert again is not None
    assert again.shadow == kept.shadow


def test_a_version_that_begins_anew_begins_with_nothing_counted(engine: Engine) -> None:
    store = RolloutStore(engine, "shop")
    with writing(engine) as connection:
        store.begin(connection, BEGUN, actor="ann")
        store.count(connection, "5", COUNTS)
        store.move(connection, replace(BEGUN, step=Step.ROLLED_BACK, reason="harm"), actor="ann")
    assert store.ongoing() is None
    with writing(engine) as connection:
        store.begin(connection, replace(BEGUN, started_us=5_000, changed_us=5_000), actor="ann")
    assert store.rollouts() == (replace(BEGUN, started_us=5_000, changed_us=5_000),)
    assert RolloutStore(engine, "loan").rollouts() == ()
