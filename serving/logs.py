"""What the processes of the service write to standard error: lines for people, or JSON for programs.

JSON has nothing about people: what an exception says may quote what a client has sent, so that of exceptions only
types and places are written.
"""

import json
import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from serving.configuration import LogFormat
from serving.spans import here
from serving.whole_characters import with_whole_characters

REQUEST_LOG = "dropoff.requests"
"""The logger that tells of every request."""

_TEXT = "%(levelname)s %(name)s: %(message)s"
_QUIET = ("bentoml", "alembic")
_OWN_HANDLERS = ("bentoml", "bentoml.access", "uvicorn", "uvicorn.error", "uvicorn.access", "circus")
"""Loggers of others that may have been given a handler of their own."""
_MOST_FRAMES = 40
_MOST_CAUSES = 5


def write_logs(log_format: LogFormat) -> None:
    """Have this process write its logs so from now on; JSON replaces whatever was set up before."""
    is_json = log_format is LogFormat.JSON
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if is_json else logging.Formatter(_TEXT))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=is_json)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    if is_json:
        for name in _OWN_HANDLERS:
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.propagate = True
        logging.getLogger("dropoff").setLevel(logging.INFO)
        logging.captureWarnings(capture=True)
        threading.excepthook = _log_thread
        sys.excepthook = _log_end


def telling(log_format: LogFormat, say: Callable[[str], None]) -> Callable[[str], None]:
    """Return what tells people something: ``say``, or the log where that is for programs and nobody is to say else."""
    return say if log_format is LogFormat.TEXT else logging.getLogger("dropoff.serving").info


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON; ``told`` of the record, a mapping, becomes members of it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            "process": record.process,
        }
        place = here()
        if place is not None:
            line |= {"trace_id": f"{place.trace.trace_id:032x}", "span_id": f"{place.span_id:016x}"}
        line |= getattr(record, "told", {})
        exceptions = [
            {"type": _type_name(error), "frames": [f"{one.filename}:{one.lineno} {one.name}" for one in _frames(error)]}
            for error in _exceptions(record)
        ]
        if exceptions:
            line["exceptions"] = exceptions
        try:
            return msgspec.json.encode(line).decode()
        except UnicodeEncodeError:
            # Half of a character, as in the name of a file that is no text.
            return with_whole_characters(json.dumps(line).encode()).decode()


def _message(record: logging.LogRecord) -> str:
    """Return what a record says, with the types of its exceptions in the place of what they say."""
    try:
        said = record.getMessage()
    except (TypeError, ValueError, KeyError):
        # Python would print what is to stand in it.
        said = f"a message of {record.pathname}:{record.lineno} that does not fit what is to stand in it"
    for error in _exceptions(record):
        for quoted in (repr(error), str(error)):
            if quoted:
                said = said.replace(quoted, _type_name(error))
    return said.strip()


def _exceptions(record: logging.LogRecord) -> Iterator[BaseException]:
    """Yield a record's exception and those that it came of."""
    error = record.exc_info[1] if record.exc_info else None
    for _ in range(_MOST_CAUSES):
        if error is None:
            return
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _type_name(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    return traceback.extract_tb(error.__traceback__)[-_MOST_FRAMES:]


def _log_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None:
        _log_exception(ended.exc_value)


def _log_end(_kind: type[BaseException], error: BaseException, _trace: object) -> None:
    if not isinstance(error, KeyboardInterrupt):
        _log_exception(error)


def _log_exception(error: BaseException) -> None:
    logging.getLogger("dropoff.serving").critical("Nobody has caught an exception", exc_info=error)
