"""The small shop's model, trained once."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from small_shop import Trained, train_small


@pytest.fixture(scope="session")
def trained() -> Trained:
    return train_small()
