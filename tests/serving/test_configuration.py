"""Settings from the environment, and the table that documents them."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from serving.configuration import Configuration, LogFormat, secrets_in_files, settings_table
from serving.environment import ConfigurationError
from storage.database import Durability

ROOT = Path(__file__).parents[2]
PACKAGES = ("features", "journeys", "decisions", "storage", "insights", "training", "serving", "commands")


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


def test_a_secret_can_lie_in_a_file_whose_last_line_end_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x" * 40 + "\n")
    (tmp_path / "url").write_text("postgresql+psycopg://u:p@h/d\n")
    configuration = Configuration.from_environment(
        {
            "DROPOFF_COOKIE_SECRET_FILE": str(tmp_path / "secret"),
            "DROPOFF_DATABASE_URL_FILE": str(tmp_path / "url"),
        }
    )
    assert configuration == Configuration(cookie_secret="x" * 40, database_url="postgresql+psycopg://u:p@h/d")
    assert "postgresql" not in repr(configuration)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"DROPOFF_ID_SECRET_FILE": "nowhere"}, "nowhere"),
        ({"DROPOFF_ID_SECRET_FILE": __file__, "DROPOFF_ID_SECRET": "x" * 40}, "both"),
        ({"DROPOFF_WORKERS_FILE": __file__}, "only secrets"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(environment: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as refused:
        Configuration.from_environment(environment)
    assert next(iter(environment)) in str(refused.value)
    assert "x" * 40 not in str(refused.value)


def test_the_documentation_names_every_secret_that_may_lie_in_a_file() -> None:
    text = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(DROPOFF_\w+_FILE)`", text)) == set(secrets_in_files())
    assert set(secrets_in_files()) >= {"DROPOFF_DATABASE_URL_FILE", "DROPOFF_COOKIE_SECRET_FILE"}


def test_every_variable_that_is_read_is_documented() -> None:
    code = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    read = {name for path in code for name in re.findall(r"\bDROPOFF_[A-Z_]+[A-Z]\b", path.read_text(encoding="utf-8"))}
    texts = " ".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md")))
    documented = set(re.findall(r"`(DROPOFF_[A-Z_]+[A-Z])\b", texts))
    assert read - documented == set()
