"""Find a journey by its name, or load it from a user's own file."""

import ast
import hashlib
import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from journeys.journey import Journey

_FOLDER = Path(__file__).parent
_CONSTANT = "JOURNEY"


class JourneyNotFound(ValueError):
    """No journey has this name, or no file this path; the text lists the names there are."""


class JourneyInvalid(ValueError):
    """A journey's file does not declare a journey, or raises while it is read; the text says where."""


def load_journey(name_or_path: str) -> Journey:
    """Return the journey of that name, or the one that a file or a package folder declares as ``JOURNEY``.

    Anything that ends in ``.py`` or contains a path separator is a path. Raises :class:`JourneyNotFound` and
    :class:`JourneyInvalid`, each with one sentence to show to the user.
    """
    if _is_path(name_or_path):
        return _load_file(name_or_path)
    names = journey_names()
    if name_or_path not in names:
        raise JourneyNotFound(
            f"there is no journey named {name_or_path!r}; write {' or '.join(names)}, "
            "or the path to a file of your own, for example ./my_journey.py"
        )
    return _journey_of(f"journeys.{name_or_path}", _source_of(name_or_path))


def journey_names() -> tuple[str, ...]:
    """Return the names of the journeys that ship: the files and folders here that assign ``JOURNEY``."""
    candidates = [*_FOLDER.glob("*.py"), *(init.parent for init in _FOLDER.glob("*/__init__.py"))]
    return tuple(sorted(path.stem for path in candidates if _declares_journey(path)))


def _is_path(text: str) -> bool:
    return text.endswith(".py") or "/" in text or "\\" in text


def _source_of(name: str) -> Path:
    folder = _FOLDER / name
    return folder if folder.is_dir() else folder.with_suffix(".py")


def _declares_journey(path: Path) -> bool:
    source = path / "__init__.py" if path.is_dir() else path
    for node in ast.parse(source.read_text(encoding="utf-8"), str(source)).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                if name == _CONSTANT:
                    return True
    return False


def _load_file(text: str) -> Journey:
    path = Path(text).expanduser()
    source = path / "__init__.py" if path.is_dir() else path
    if not source.is_file():
        missing = f"{path} has no __init__.py" if path.is_dir() else f"there is no file {path}"
        raise JourneyNotFound(
            f"{missing}; give the path of a Python file, or one of the names {', '.join(journey_names())}"
        )
    return _journey_of(_module_name(source.resolve()), path)


def _module_name(source: Path) -> str:
    # A file of one's own must not replace an installed module that happens to have its name.
    return f"journey_{hashlib.sha256(str(source).encode()).hexdigest()[:12]}"


def _journey_of(module_name: str, path: Path) -> Journey:
    try:
        module = (
            importlib.import_module(module_name) if module_name.startswith("journeys.") else _run(module_name, path)
        )
    except Exception as error:
        raise JourneyInvalid(_describe(error, path)) from error
    journey = getattr(module, _CONSTANT, None)
    if isinstance(journey, Journey):
        return journey
    found = f"declares no {_CONSTANT}" if journey is None else f"declares {_CONSTANT} as a {type(journey).__name__}"
    raise JourneyInvalid(f"{path} {found}; write {_CONSTANT} = Journey(...) at the top level of the file")


def _run(module_name: str, path: Path) -> ModuleType:
    source = path / "__init__.py" if path.is_dir() else path
    locations = [str(path)] if path.is_dir() else None
    spec = importlib.util.spec_from_file_location(module_name, source, submodule_search_locations=locations)
    if spec is None or spec.loader is None:
        raise ImportError(f"{source} is no Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    for stale in [name for name in sys.modules if name == module_name or name.startswith(module_name + ".")]:
        del sys.modules[stale]
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    return module


def _describe(error: Exception, path: Path) -> str:
    """Return one line: the file and line of the user's own code, and what is wrong."""
    if isinstance(error, SyntaxError):
        return f"{error.filename or path}, line {error.lineno}: this is not valid Python ({error.msg})"
    own = path.resolve() if path.is_dir() else path.resolve().parent
    lines = [
        (frame.filename, frame.lineno)
        for frame in traceback.extract_tb(error.__traceback__)
        # Code that was made at run time, such as a dataclass's constructor, has no file ("<string>").
        if not frame.filename.startswith("<") and Path(frame.filename).resolve().is_relative_to(own)
    ]
    where = f"{lines[-1][0]}, line {lines[-1][1]}" if lines else str(path)
    text = " ".join(str(error).split())
    return f"{where}: {text if isinstance(error, ValueError) else f'{type(error).__name__}: {text}'}"
