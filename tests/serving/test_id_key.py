"""All replicas hash the ids of people with one key, or do not start."""

from pathlib import Path
from typing import Any

import pytest

from serving.configuration import Configuration
from serving.errors import StartError
from serving.id_key import require_same_key
from serving.open_runtime import open_runtime


@pytest.fixture
def begin(shop: Any, shop_model: Any, address: str, tmp_path: Path) -> Any:
    def beginning(home: str, secret: str = "") -> None:
        settings = Configuration(home=tmp_path / home, database_url=address, shared=True, id_secret=secret)
        runtime = open_runtime(settings, shop, shop_model)
        try:
            require_same_key(runtime)
        finally:
            runtime.close()

    return beginning


def test_a_replica_with_a_key_of_its_own_is_told_what_to_do(begin: Any) -> None:
    begin("first")
    begin("first")
    with pytest.raises(StartError, match="DROPOFF_ID_SECRET"):
        begin("second")


def test_replicas_with_homes_of_their_own_start_with_the_same_secret(begin: Any) -> None:
    begin("first", "a secret that both were given")
    begin("second", "a secret that both were given")
    with pytest.raises(StartError, match="begun with another key"):
        begin("first", "another secret than they were given")
