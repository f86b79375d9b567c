"""Why the database failed: because of what was asked of it, or because it can serve nobody at this moment."""

from sqlalchemy.exc import DBAPIError, TimeoutError

# SQLite's result codes begin with these where the file, the disk or a lock is at fault.
_SQLITE_CODES = (
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_CORRUPT",
    "SQLITE_NOTADB",
    "SQLITE_READONLY",
    "SQLITE_CANTOPEN",
    "SQLITE_NOMEM",
    "SQLITE_PROTOCOL",
)
# PostgreSQL's classes of states: connections, resources, operators' intervention, the system, and its own mistakes;
# then those of a lock that was not to be had, of a server that only reads, and of transactions that hindered another.
_POSTGRESQL_STATES = ("08", "53", "57", "58", "XX", "55P03", "25006", "25P03", "40")

_ADVICE = {
    "SQLITE_FULL": "the disk is full: free some space, and clients will send again what was refused meanwhile",
    "53100": "the database server's disk is full: free some space there",
    "SQLITE_IOERR": "the disk cannot be written or read: it may be full, or the file larger than is allowed",
    "SQLITE_CORRUPT": "the file is damaged: stop the service and restore your last copy, or save what can still be "
    "read with `sqlite3 FILE .recover | sqlite3 NEW_FILE`",
    "SQLITE_NOTADB": "the file is damaged, or no database: stop the service and restore your last copy",
    "SQLITE_BUSY": "another process writes for long: end it, or wait until it is done",
    "SQLITE_READONLY": "the file cannot be written: give the service's account the right to",
    "55P03": "another process writes for long: end it, or wait until it is done",
    "25006": "the server takes no writes: it is a standby, or was set to read only",
    "53300": "the server has no connections left: raise its max_connections",
}

_UNCONNECTED = "check that the server runs and lets this account in, and that the address is right"


def is_unavailable(error: BaseException) -> bool:
    """Whether the database can serve nobody at this moment, so that the same may work later."""
    if isinstance(error, TimeoutError) or is_lost(error):
        return True
    if not isinstance(error, DBAPIError):
        return False
    code = _code(error)
    if code is None:
        return _is_unconnected(error)
    return code.startswith(_SQLITE_CODES) or code.startswith(_POSTGRESQL_STATES)


def is_lost(error: BaseException) -> bool:
    """Whether the connection to the database has ended."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def explain(error: BaseException) -> str:
    """Return in one line what the database said, and what to do about it where that is known."""
    said = " ".join(_said(error).split())
    advice = advise(error)
    return f"{said}; {advice}" if advice else said


def _said(error: BaseException) -> str:
    origin = getattr(error, "orig", None) or error
    # PostgreSQL's details quote the values that it was given, which are people's.
    return str(getattr(getattr(origin, "diag", None), "message_primary", None) or origin)


def advise(error: BaseException) -> str | None:
    """Return what to do about a failure, None where that is not known."""
    if not isinstance(error, DBAPIError):
        return None
    code = _code(error)
    if code is None:
        return _UNCONNECTED if _is_unconnected(error) else None
    return next((advice for start, advice in _ADVICE.items() if code.startswith(start)), None)


def kind_of(error: BaseException) -> str:
    """Return what failures have in common that differ in their words only."""
    code = _code(error) if isinstance(error, DBAPIError) else None
    return code or type(getattr(error, "orig", None) or error).__name__


def _is_unconnected(error: DBAPIError) -> bool:
    # A connection that could not be made has no state yet.
    return type(error.orig).__name__ == "OperationalError" and "psycopg" in type(error.orig).__module__


def _code(error: DBAPIError) -> str | None:
    name: str | None = getattr(error.orig, "sqlite_errorname", None) or getattr(error.orig, "sqlstate", None)
    return name
