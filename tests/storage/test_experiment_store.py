"""Experiments as they are kept, and their exposures."""

import pytest
from sqlalchemy import Engine

from storage.audit import read_audit
from storage.database import writing
from storage.experiment_store import ExperimentRefused, ExperimentStore, Status
from storage.exposure_store import Exposure, ExposureStore

PLAN = {"name": "chat", "hypothesis": "More buy."}


def store_of(engine: Engine, *names: str) -> ExperimentStore:
    store = ExperimentStore(engine, "shop")
    with writing(engine) as connection:
        for place, name in enumerate(names):
            store.write_draft(connection, PLAN | {"name": name}, layer="default", actor="Ada", now_us=place)
    return store


def exposure(visitor: str, variant: str, first_us: int, assignment: str = "") -> Exposure:
    return Exposure(
        "chat", visitor, assignment or visitor, variant, first_us, f"s of {visitor}", "d", "pay", "form", 2, "price"
    )


def test_an_experiment_is_drafted_started_and_stopped_and_all_stands_in_the_audit(engine: Engine) -> None:
    store = store_of(engine, "chat")
    drafted = store.find("chat")
    assert (drafted.status, drafted.declaration, drafted.buckets) == (Status.DRAFT, PLAN, ())
    assert store.running() == ()
    with writing(engine) as connection:
        store.start(connection, "chat", ((0, 10), (20, 30)), actor="Ada", now_us=5)
    started = store.find("chat")
    assert (started.status, started.started_us, started.buckets) == (Status.RUNNING, 5, ((0, 10), (20, 30)))
    assert store.running() == (started,)
    with writing(engine) as connection:
        store.stop(connection, "chat", "it is done", actor="Bob", now_us=9)
        store.keep_result(connection, "chat", {"verdict": "ship"})
    stopped = store.find("chat")
    assert (stopped.status, stopped.stopped_us, stopped.stopped_for) == (Status.STOPPED, 9, "it is done")
    assert stopped.result == {"verdict": "ship"}
    assert store.running() == ()
    with engine.connect() as connection:
        audited = read_audit(connection, "shop")
    assert [(one.at_us, one.actor, one.action, one.subject) for one in audited] == [
        (0, "Ada", "declare experiment", "experiment chat"),
        (5, "Ada", "start experiment", "experiment chat"),
        (9, "Bob", "stop experiment", "experiment chat"),
    ]
    assert audited[2].after == {"status": "stopped", "reason": "it is done"}


def test_a_draft_can_be_declared_anew_and_what_was_started_cannot(engine: Engine) -> None:
    store = store_of(engine, "chat", "chat")
    assert len(store.all()) == 1
    with writing(engine) as connection:
        store.start(connection, "chat", (), actor="Ada", now_us=5)
    with pytest.raises(ExperimentRefused, match="'chat' of shop is running and cannot be declared anew"):
        store_of(engine, "chat")


def test_what_cannot_be_is_refused(engine: Engine) -> None:
    store = store_of(engine, "chat")
    with pytest.raises(ExperimentRefused, match="shop has no experiment 'talk'"):
        store.find("talk")
    with writing(engine) as connection, pytest.raises(ExperimentRefused, match="does not run: it is draft"):
        store.stop(connection, "chat", "", actor="Ada", now_us=5)
    with writing(engine) as connection:
        store.start(connection, "chat", (), actor="Ada", now_us=5)
        with pytest.raises(ExperimentRefused, match="is running already"):
            store.start(connection, "chat", (), actor="Ada", now_us=6)


def test_those_that_run_come_in_the_order_of_their_start(engine: Engine) -> None:
    store = store_of(engine, "first", "second", "third")
    with writing(engine) as connection:
        store.start(connection, "third", (), actor="Ada", now_us=5)
        store.start(connection, "first", (), actor="Ada", now_us=7)
    assert [one.name for one in store.running()] == ["third", "first"]
    assert [one.name for one in ExperimentStore(engine, "bank").all()] == []


def test_the_first_exposure_of_a_visitor_stays(engine: Engine) -> None:
    exposures = ExposureStore(engine, "shop")
    with writing(engine) as connection:
        exposures.add(connection, exposure("a", "one", 5))
        exposures.add(connection, exposure("a", "two", 9))
        exposures.add(connection, exposure("b", "two", 3))
    assert list(exposures.of_experiment("chat")) == [exposure("b", "two", 3), exposure("a", "one", 5)]
