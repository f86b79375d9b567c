"""One process and its champions: it switches, says so, and stays with the one before where it has to."""

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pytest
from conftest import VERSION, OpenClient
from sqlalchemy import update

from decisions.risk import RiskModel
from serving.swap import Swap
from storage.database import database_url, writing
from storage.models import champion_version, point_champion, publish
from storage.registry_tables import registry_moves
from storage.shared_registry import shared_home


def test_a_new_champion_answers_after_a_look_and_a_damaged_one_does_not(
    open_client: OpenClient, shop_model: RiskModel, tmp_path: Path
) -> None:
    client, runtime = open_client()
    swap = Swap(runtime)
    for version in ("8", "9"):
        publish(tmp_path, "ecommerce", version, replace(shop_model, version=version).save)
    point_champion(tmp_path, "ecommerce", "8")
    client.run(swap.look())
    assert (runtime.model_version, runtime.scorer.model.version, swap.refused) == ("8", "8", "")
    (tmp_path / "models" / "ecommerce" / "9" / "model.txt").write_text("tree")
    point_champion(tmp_path, "ecommerce", "9")
    client.run(swap.look())
    client.run(swap.look())
    assert runtime.model_version == "8"
    assert "was changed after it was published (model.txt)" in swap.refused
    shown = runtime.show_metrics().decode()
    assert 'dropoff_model_swaps_total{result="switched"} 1.0' in shown
    assert 'dropoff_model_swaps_total{result="refused"} 1.0' in shown
    [behind] = [line for line in shown.splitlines() if line.startswith("dropoff_model_behind_seconds ")]
    assert float(behind.split()[1]) > 0
    point_champion(tmp_path, "ecommerce", "8")
    client.run(swap.look())
    assert swap.refused == ""
    assert "dropoff_model_behind_seconds 0.0" in runtime.show_metrics().decode()


def test_a_champion_of_another_home_comes_by_the_database(
    open_client: OpenClient, shop_model: RiskModel, tmp_path: Path
) -> None:
    address = database_url(tmp_path / "shared")
    client, runtime = open_client(database_url=address)
    swap, operator = Swap(runtime), tmp_path / "operator"
    client.run(swap.look())
    assert runtime.model_version == VERSION
    with shared_home(runtime.engine, operator, "ecommerce"):
        publish(operator, "ecommerce", "8", replace(shop_model, version="8").save)
        point_champion(operator, "ecommerce", "8")
    client.run(swap.look())
    assert runtime.model_version == champion_version(tmp_path, "ecommerce") == "8"


def test_switching_keeps_the_policy_the_experiments_and_the_challenger(
    open_client: OpenClient, shop_model: RiskModel
) -> None:
    _, runtime = open_client()
    before = runtime.scorer
    runtime.replace_model(replace(shop_model, version="8"))
    after = runtime.scorer
    assert (after.policy, after.experiments, after.second) == (before.policy, before.experiments, before.second)
    assert after.model.version == "8"


def test_a_champion_that_is_refused_again_after_another_is_told_and_counted_again(
    open_client: OpenClient, shop_model: RiskModel, tmp_path: Path
) -> None:
    client, runtime = open_client()
    swap = Swap(runtime)
    for version in ("8", "9"):
        publish(tmp_path, "ecommerce", version, replace(shop_model, version=version).save)
    (tmp_path / "models" / "ecommerce" / "9" / "model.txt").write_text("tree")
    for version in ("9", "8", "9"):
        point_champion(tmp_path, "ecommerce", version)
        client.run(swap.look())
    assert 'dropoff_model_swaps_total{result="refused"} 2.0' in runtime.show_metrics().decode()


def test_a_registry_that_a_newer_dropoff_has_written_ends_no_looking(
    open_client: OpenClient, shop_model: RiskModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client, runtime = open_client(database_url=database_url(tmp_path / "shared"))
    swap, operator = Swap(runtime), tmp_path / "operator"
    publish(tmp_path, "ecommerce", VERSION, shop_model.save)
    point_champion(tmp_path, "ecommerce", VERSION)
    with shared_home(runtime.engine, operator, "ecommerce"):
        publish(operator, "ecommerce", "8", replace(shop_model, version="8").save)
        point_champion(operator, "ecommerce", "8")
    action = registry_moves.c.action
    with writing(runtime.engine) as connection:
        connection.execute(update(registry_moves).values(action="of a newer one"))
    client.run(swap.look())
    client.run(swap.look())
    assert runtime.model_version == VERSION
    assert "of a newer one" in swap.refused
    assert len([one for one in caplog.records if "cannot be read" in one.message]) == 1
    with writing(runtime.engine) as connection:
        connection.execute(update(registry_moves).where(action == "of a newer one").values(action="promote"))
    client.run(swap.look())
    assert (runtime.model_version, swap.refused) == ("8", "")
