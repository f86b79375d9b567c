"""A model's files are text: nothing that is loaded can run code."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("features", "storage", "decisions", "journeys", "insights", "serving", "training", "commands")
UNSAFE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle"}
SOURCES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))


def test_every_file_of_a_model_is_text_in_utf_8(model_home: Path) -> None:
    files = [path for path in (model_home / "models").rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"model.txt", "blockers.json", "hazard.txt", "digest.json"}
    for path in files:
        content = path.read_bytes()
        # A pickle of protocol 2 or later begins with 0x80, which is no beginning of UTF-8; one of an older protocol,
        # and any archive or image of code, has bytes that no text has.
        text = content.decode("utf-8")
        assert all(sign.isprintable() or sign in "\r\n\t" for sign in text), path


def test_nothing_reads_a_format_that_runs_code() -> None:
    assert len(SOURCES) > 200
    nodes = [node for file in SOURCES for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    for node in nodes:
        match node:
            case ast.Import(names=names):
                assert not {name.name.partition(".")[0] for name in names} & UNSAFE
            case ast.ImportFrom(module=str(module)):
                assert module.partition(".")[0] not in UNSAFE
            case ast.keyword(arg="allow_pickle", value=value):
                assert isinstance(value, ast.Constant)
                assert value.value is False
