"""How large a part of the time somebody has the writers' turn of a PostgreSQL, seen from beside."""

import random
import threading
import time

from benchmarks.processes import cpu_seconds
from benchmarks.stores import connect

_PAUSE_SECONDS = 0.01
_HELD = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = %s AND classid = 0"
_WRITERS_LOCK = 0x64726F70


class TurnWatch:
    """Looks at random moments whether the turn is taken; ``processor_seconds`` is what looking took of the server."""

    def __init__(self, port: int) -> None:
        self._connection = connect(port)
        self._pid = self._connection.info.backend_pid
        self._taken = self._looks = 0
        self._over = threading.Event()
        self._before = cpu_seconds(self._pid)
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> tuple[float, float]:
        """Return the share of looks at which the turn was taken, and the server's processor seconds for looking."""
        self._over.set()
        self._thread.join()
        spent = cpu_seconds(self._pid) - self._before
        self._connection.close()
        return self._taken / max(self._looks, 1), spent

    def _look(self) -> None:
        source = random.Random(1)
        while not self._over.is_set():
            [held] = self._connection.execute(_HELD, (_WRITERS_LOCK,)).fetchone() or (0,)
            self._taken += bool(held)
            self._looks += 1
            time.sleep(source.uniform(0, 2 * _PAUSE_SECONDS))
