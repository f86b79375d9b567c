"""Decisions in which it is known what every intervention does."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "decisions"))
sys.path.insert(0, str(Path(__file__).parent))

from small_effects import carry_out, situations

from decisions.logged import LoggedDecisions


@pytest.fixture(scope="session")
def learnt_from() -> LoggedDecisions:
    return carry_out(situations(6_000, 1), 1)
