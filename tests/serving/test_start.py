"""From a journey's name to a service that is ready, and from one champion to the next."""

import asyncio
import gc
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from decisions.calibration import Calibrator, CalibratorKind
from decisions.risk import RiskModel
from journeys.journey import Journey
from serving.configuration import Configuration
from serving.runtime import Runtime
from serving.start import StartError, check_database, find_source, start
from serving.swap import newer_model
from storage.digest import digest_of
from storage.models import point_champion, publish

VERSION = "7"


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    # A service that starts freezes the garbage collector, which other tests should not inherit.
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@pytest.fixture
def configuration(tmp_path: Path, model_home: Path) -> Configuration:
    shutil.copytree(model_home, tmp_path / "home")
    return Configuration(journey="ecommerce", home=tmp_path / "home")


def _publish(home: Path, model: RiskModel) -> None:
    publish(home, model.journey, model.version, model.save)
    point_champion(home, model.journey, model.version)


def test_a_service_with_the_smallest_limits_starts(configuration: Configuration) -> None:
    limits = {"max_visitor_events": 1, "max_batch_events": 1, "memory_events": 0, "future_tolerance_seconds": 0.0}
    runtime = start(replace(configuration, **limits))
    assert runtime.model_version == VERSION
    assert len(runtime.sessions.memory) == 0
    runtime.close()


def test_a_service_starts_within_a_loop_as_bentoml_starts_it(configuration: Configuration) -> None:
    async def starting() -> Runtime:
        return start(configuration)

    asyncio.run(starting()).close()


def test_rehearsing_leaves_no_trace(configuration: Configuration) -> None:
    runtime = start(configuration)
    assert list(runtime.log.batches()) == []
    assert runtime.ledger.visitor_decisions("rehearsal") == []
    assert b"dropoff_requests_total{" not in runtime.show_metrics()
    runtime.close()


def test_a_champion_is_taken_only_when_it_is_another(
    configuration: Configuration, shop: Journey, shop_model: RiskModel
) -> None:
    assert newer_model(configuration, shop, VERSION) is None
    _publish(configuration.home, replace(shop_model, version="8"))
    found = newer_model(configuration, shop, VERSION)
    assert found is not None
    assert found.version == "8"
    assert newer_model(configuration, shop, "8") is None


def test_a_copy_of_a_version_under_another_name_is_not_taken_for_a_newer_one_again_and_again(
    configuration: Configuration, shop: Journey
) -> None:
    models = configuration.home / "models" / "ecommerce"
    shutil.copytree(models / VERSION, models / "8")
    point_champion(configuration.home, "ecommerce", "8")
    with pytest.raises(StartError, match=f"holds a copy of version {VERSION}: name that version"):
        newer_model(configuration, shop, VERSION)


def test_a_bento_takes_a_champion_that_has_the_number_of_its_own_model_but_is_another(
    configuration: Configuration, shop: Journey, shop_model: RiskModel, model_home: Path, tmp_path: Path
) -> None:
    packaged = tmp_path / "packaged"
    shutil.copytree(model_home / "models" / shop.name / VERSION, packaged / "model")
    assert newer_model(configuration, shop, VERSION, packaged=packaged) is None
    other = replace(shop_model, calibrator=Calibrator(CalibratorKind.PLATT, (1.0, -4.0)))
    _publish(configuration.home, other)
    taken = newer_model(configuration, shop, VERSION, packaged=packaged)
    assert taken is not None
    assert taken.calibrator == other.calibrator
    digest = digest_of(configuration.home / "models" / shop.name / VERSION)
    assert newer_model(configuration, shop, VERSION, digest, packaged) is None


def test_a_champion_of_other_features_is_never_taken_by_a_service_that_runs(
    configuration: Configuration, shop: Journey, shop_model: RiskModel
) -> None:
    features = tuple(replace(one, name="renamed") if one.name == "rating" else one for one in shop.features)
    _publish(configuration.home, replace(shop_model, table=replace(shop.table, features=features), version="8"))
    with pytest.raises(StartError, match="removed: renamed; added: rating"):
        newer_model(configuration, shop, VERSION)


def test_a_journeys_file_that_changes_while_it_is_served_changes_nothing(
    configuration: Configuration, shop_model: RiskModel, tmp_path: Path
) -> None:
    file = tmp_path / "mine.py"
    file.write_text("from journeys.ecommerce import JOURNEY as SHOP\nJOURNEY = SHOP\n")
    mine = replace(configuration, journey=str(file))
    served = find_source(mine).journey
    file.write_text(
        "from dataclasses import replace\n"
        "from journeys.ecommerce import JOURNEY as SHOP\n"
        "features = [replace(one, name='renamed') if one.name == 'rating' else one for one in SHOP.features]\n"
        "JOURNEY = replace(SHOP, features=tuple(features))\n"
    )
    changed = find_source(mine).journey
    _publish(configuration.home, replace(shop_model, table=changed.table, version="8"))
    with pytest.raises(StartError, match="removed: renamed; added: rating"):
        newer_model(mine, served, VERSION)


def test_a_pointer_that_leads_nowhere_is_told_with_the_versions_there_are(configuration: Configuration) -> None:
    (configuration.home / "models" / "ecommerce" / "champion").write_text("99")
    with pytest.raises(StartError, match=r"versions: 7\): run `dropoff promote ecommerce VERSION`"):
        find_source(configuration)


def test_a_database_that_cannot_be_used_is_told_in_one_sentence(configuration: Configuration) -> None:
    (configuration.home / "dropoff.db").write_bytes(b"no database" * 1_000)
    with pytest.raises(StartError, match="file is not a database"):
        check_database(configuration)
    with pytest.raises(StartError, match="file is not a database"):
        start(configuration)
