"""A journey is found by its name or by a path; what is wrong with a file is said in one line."""

import sys
from pathlib import Path

import pytest

from journeys import load
from journeys.load import JourneyInvalid, JourneyNotFound, journey_names, load_journey

EXAMPLE = Path(__file__).parents[2] / "examples" / "newsletter_signup.py"


def one_line(error: pytest.ExceptionInfo[Exception]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def test_the_journeys_that_ship_are_found_by_looking_at_the_folder() -> None:
    assert {"ecommerce", "loan_application"} <= set(journey_names())
    assert not {"journey", "load", "describe", "checks", "__init__"} & set(journey_names())


@pytest.mark.parametrize("name", journey_names())
def test_every_journey_that_ships_loads_under_its_own_name(name: str) -> None:
    assert load_journey(name).name == name


def test_a_new_file_in_the_folder_is_found_without_registering_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lease.py").write_text("JOURNEY: object = None\n")
    (tmp_path / "words.py").write_text("WORDS = 1\n# JOURNEY = 2\n")
    (tmp_path / "rent").mkdir()
    (tmp_path / "rent" / "__init__.py").write_text("JOURNEY = None\n")
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(load, "_FOLDER", tmp_path)
    assert journey_names() == ("lease", "rent")


def test_an_unknown_name_lists_the_known_ones_and_says_how_to_give_a_file() -> None:
    with pytest.raises(JourneyNotFound) as caught:
        load_journey("ecomerce")
    message = one_line(caught)
    assert "'ecomerce'" in message
    assert "ecommerce or loan_application" in message
    assert "./my_journey.py" in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(JourneyNotFound) as caught:
        load_journey(str(tmp_path / "none.py"))
    assert "none.py" in one_line(caught)


def test_a_folder_without_init_is_named(tmp_path: Path) -> None:
    with pytest.raises(JourneyNotFound) as caught:
        load_journey(str(tmp_path))
    assert "has no __init__.py" in one_line(caught)


def test_the_example_loads_from_its_path() -> None:
    journey = load_journey(str(EXAMPLE))
    assert journey.name == "newsletter_signup"
    assert len(journey.stages) == 3


def test_a_relative_path_works_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLE.parent)
    assert load_journey("newsletter_signup.py").name == "newsletter_signup"
    assert load_journey("./newsletter_signup.py").name == "newsletter_signup"


def test_a_folder_of_ones_own_loads_as_a_package(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "all.py").write_text(EXAMPLE.read_text())
    (folder / "__init__.py").write_text("from .all import JOURNEY\n")
    assert load_journey(str(folder)).name == "newsletter_signup"


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(EXAMPLE.read_text())
    assert load_journey(str(path)).title == "Newsletter sign-up"
    path.write_text(EXAMPLE.read_text().replace('title="Newsletter sign-up"', 'title="Our weekly letter"'))
    assert load_journey(str(path)).title == "Our weekly letter"


def test_a_file_of_ones_own_replaces_no_installed_module(tmp_path: Path) -> None:
    before = sys.modules.get("json")
    path = tmp_path / "json.py"
    path.write_text(EXAMPLE.read_text())
    load_journey(str(path))
    assert sys.modules.get("json") is before


def test_a_file_without_a_journey_says_what_to_write(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("STAGES = ()\n")
    with pytest.raises(JourneyInvalid) as caught:
        load_journey(str(path))
    message = one_line(caught)
    assert "mine.py declares no JOURNEY" in message
    assert "JOURNEY = Journey(...)" in message


def test_a_journey_of_another_type_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("JOURNEY = {}\n")
    with pytest.raises(JourneyInvalid) as caught:
        load_journey(str(path))
    assert "declares JOURNEY as a dict" in one_line(caught)


def test_a_wrong_declaration_is_passed_on_with_its_file_and_line(tmp_path: Path) -> None:
    text = EXAMPLE.read_text().replace('count("form_error"), Friction.FORM', '"form_error", Friction.FORM')
    line = next(number for number, row in enumerate(text.splitlines(), 1) if '"form_error", Friction.FORM' in row)
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(JourneyInvalid) as caught:
        load_journey(str(path))
    message = one_line(caught)
    assert f"mine.py, line {line}: feature 'form_errors'" in message
    assert "count('event_name')" in message


def test_a_wrong_declaration_in_a_part_of_a_package_is_placed_there(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "parts.py").write_text("from features.scan import on\n\nVIEW = on()\n")
    (folder / "__init__.py").write_text("from .parts import VIEW\n")
    with pytest.raises(JourneyInvalid) as caught:
        load_journey(str(folder))
    assert "parts.py, line 3: on() needs at least one event name" in one_line(caught)


def test_any_other_error_in_a_file_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("a = 1\nb = a / 0\n")
    with pytest.raises(JourneyInvalid) as caught:
        load_journey(str(path))
    assert "mine.py, line 2: ZeroDivisionError: division by zero" in one_line(caught)


def test_a_file_that_is_not_python_is_named_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("STAGES = (\nJOURNEY = )\n")
    with pytest.raises(JourneyInvalid) as caught:
        load_journey(str(path))
    message = one_line(caught)
    assert "mine.py, line 2" in message
    assert "not valid Python" in message


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journey.yaml"
    path.write_text("name: mine\n")
    with pytest.raises(JourneyInvalid) as caught:
        load_journey(str(path))
    assert "must end in .py" in one_line(caught)


def test_a_file_with_nul_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_bytes(b"JOURNEY = 1\x00\n")
    with pytest.raises(JourneyInvalid) as caught:
        load_journey(str(path))
    assert "mine.py" in one_line(caught)
