"""Settings from the environment, and the table that documents them."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from serving.configuration import Configuration, ConfigurationError, LogFormat, settings_table
from storage.database import Durability

ROOT = Path(__file__).parents[2]


def test_the_environment_sets_what_it_names_and_nothing_else() -> None:
    configuration = Configuration.from_environment(
        {
            "DROPOFF_HOME": "/data",
            "DROPOFF_DURABILITY": "FULL",
            "DROPOFF_MAX_BODY_BYTES": "1000",
            "DROPOFF_SHARED": "yes",
            "DROPOFF_LOGS": "json",
            "DROPOFF_TRACES_SAMPLE": "0.5",
            "DROPOFF_MODEL_WATCH_SECONDS": "0.5",
            "DROPOFF_JOURNEY": "",
            "DROPOFF_ALLOWED_ORIGINS": "https://shop.example, http://127.0.0.1:8080",
        }
    )
    assert configuration == Configuration(
        home=Path("/data"),
        durability=Durability.FULL,
        max_body_bytes=1000,
        shared=True,
        logs=LogFormat.JSON,
        traces_sample=0.5,
        model_watch_seconds=0.5,
        allowed_origins=("https://shop.example", "http://127.0.0.1:8080"),
    )
    assert configuration.address == "sqlite:////data/dropoff.db"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DROPOFF_SHARED", "maybe"),
        ("DROPOFF_LOGS", "xml"),
        ("DROPOFF_LOG_REQUESTS", "1.5"),
        ("DROPOFF_TRACES_SAMPLE", "-0.1"),
        ("DROPOFF_DURABILITY", "normal"),
        ("DROPOFF_MAX_BODY_BYTES", "1e6"),
        ("DROPOFF_MAX_BODY_BYTES", "-1"),
        ("DROPOFF_FUTURE_TOLERANCE_SECONDS", "nan"),
        ("DROPOFF_FUTURE_TOLERANCE_SECONDS", "inf"),
        ("DROPOFF_MAX_BODY_BYTES", "0"),
        ("DROPOFF_MAX_VISITOR_EVENTS", "0"),
        ("DROPOFF_ALLOWED_ORIGINS", "shop.example"),
        ("DROPOFF_ALLOWED_ORIGINS", "https://shop.example/"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_the_variables_name(variable: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{variable}='{value}'"):
        Configuration.from_environment({variable: value})


def test_the_documentation_has_the_table_of_all_settings() -> None:
    table = settings_table()
    assert table in (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
    assert re.findall(r"`DROPOFF_(\w+)`", table) == [setting.name.upper() for setting in fields(Configuration)]
