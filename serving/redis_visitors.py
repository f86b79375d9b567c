"""Visitors in Redis or Valkey: packed, for all processes, and never more than what the log has.

A visitor is a list. Its first element says with which feature table the others were packed; each of the others is what
was committed together, behind the label of its latest event in the log. Whoever appends says which label it expects
last: where it is another, somebody's events are missing or in doubt, and the list is dropped. A list that is absent,
for whatever reason, is read from the log and filled anew, under a lease: appending ends it, so that nobody fills in
what was read before.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError, RedisError

from serving.environment import ConfigurationError
from serving.spans import Kind, span

_LOG = logging.getLogger("dropoff.serving")
_MOST_SECONDS = 0.5
_LEASE_MS = 5_000
_LONGEST_KEPT_MS = 3_600_000
_PROBE_SECONDS = 0.25
_CONNECTIONS = 32
_MOST_PIECES = 8
"""A list of more pieces is worth packing anew: each carries its session's id and a label."""
_MOST_PIECES_KEPT = 256
"""A list of more pieces is dropped: nobody has asked about the visitor for that long."""
_KEYS_AT_ONCE = 1_000
_SYSTEM = {"db.system.name": "redis"}
KEY_START = "dropoff:"
"""What the names of all keys begin with, before the journey."""

_READ = """
local head = redis.call('LINDEX', KEYS[1], 0)
if head ~= ARGV[1] then
  redis.call('DEL', KEYS[1])
  redis.call('RPUSH', KEYS[1], ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  return 0
end
if string.sub(redis.call('LINDEX', KEYS[1], -1), 1, 16) == ARGV[2] then
  return redis.call('LLEN', KEYS[1]) - 1
end
local pieces = redis.call('LRANGE', KEYS[1], 1, -1)
local after, whole = 0, 1
for place = #pieces, 1, -1 do
  if string.sub(pieces[place], 1, 16) == ARGV[2] then
    after, whole = place, 0
    break
  end
end
local told = {whole, #pieces}
for place = after + 1, #pieces do told[#told + 1] = pieces[place] end
return told
"""
_APPEND = """
for place = 1, #KEYS do
  local key, expected, piece = KEYS[place], ARGV[2 * place + 2], ARGV[2 * place + 3]
  local head = redis.call('LINDEX', key, 0)
  if head == ARGV[1] and string.sub(redis.call('LINDEX', key, -1), 1, 8) == expected
      and redis.call('LLEN', key) <= tonumber(ARGV[3]) then
    if piece ~= '' then redis.call('RPUSH', key, piece) end
    redis.call('PEXPIRE', key, ARGV[2])
  elseif head then
    redis.call('DEL', key)
  end
end
"""
_REPLACE = """
local head = redis.call('LINDEX', KEYS[1], 0)
local label = string.sub(ARGV[3], 1, 16)
if head and (head == ARGV[4] or head == ARGV[1] and string.sub(redis.call('LINDEX', KEYS[1], -1), 1, 16) == label) then
  redis.call('DEL', KEYS[1])
  redis.call('RPUSH', KEYS[1], ARGV[1], ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
"""


class RedisAway(Exception):
    """Redis cannot be reached, or does not answer in time."""


class Found(NamedTuple):
    """What Redis has of a visitor: the pieces after a label, or all where ``whole``.

    ``scattered`` where the list has so many pieces that it is worth packing anew.
    """

    pieces: Sequence[bytes]
    whole: bool
    scattered: bool


class Lease(NamedTuple):
    """The right to fill in what is read from the log from now on."""

    token: bytes


class Appended(NamedTuple):
    """What has been committed of a visitor: the place in the log of the latest before it, and the piece.

    An empty piece says that nothing is new, and the place is that of the latest there is.
    """

    position: int
    piece: bytes


class RedisVisitors:
    """The lists of one journey's visitors. A call ends within half a second, or raises :class:`RedisAway`.

    While Redis is away, nobody waits for it; the lists whose end is in doubt are remembered, and dropped before it is
    used again. ``head`` is how the pieces begin: lists of others are dropped, as an older version may still write them.
    """

    def __init__(self, url: str, journey: str, head: bytes, timeout_us: int) -> None:
        self._pool = _connections(url)
        self._redis: Any = Redis(connection_pool=self._pool)
        self._reading = self._redis.register_script(_READ)
        self._appending = self._redis.register_script(_APPEND)
        self._replacing = self._redis.register_script(_REPLACE)
        self._prefix = f"{KEY_START}{journey}:".encode()
        self._head = b"F" + head
        self._kept_ms = min(max(timeout_us // 1_000, 1), _LONGEST_KEPT_MS)
        self._doubtful: set[bytes] = set()
        self._waiting: list[tuple[Mapping[str, Appended], asyncio.Future[None]]] = []
        self._sending: asyncio.Task[None] | None = None
        self._returning: asyncio.Task[None] | None = None

    @property
    def is_away(self) -> bool:
        """Whether Redis did not answer when it was asked last."""
        return self._returning is not None

    async def read(self, visitor_id: str, label: bytes) -> Found | Lease:
        """Return what is known after a label (empty for one that knows nothing), or a lease to fill it in."""
        token = b"L" + secrets.token_bytes(8)
        try:
            with span("redis read", Kind.CLIENT, _SYSTEM):
                told = await self._ask(
                    lambda: self._reading([self._key(visitor_id)], [self._head, label, token, _LEASE_MS])
                )
        except OutOfMemoryError:
            # Nothing can be written now: what is read from the log is not filled in.
            return Lease(b"")
        if isinstance(told, int):
            return Found((), whole=False, scattered=told > _MOST_PIECES) if told else Lease(token)
        whole, pieces, *found = told
        return Found(found, bool(whole), pieces > _MOST_PIECES)

    async def fill(self, visitor_id: str, lease: Lease, piece: bytes) -> None:
        """Put in all of a visitor as one piece, unless the lease has ended."""
        await self._replace(visitor_id, lease.token, piece)

    async def pack(self, visitor_id: str, piece: bytes) -> None:
        """Put one piece in the place of all, where both end with the same event."""
        await self._replace(visitor_id, b"", piece)

    async def append(self, committed: Mapping[str, Appended]) -> None:
        """Add what has been committed to the lists that end where it begins; drop others, which are in doubt.

        What is handed in while something is on its way goes together with the next, in the same order.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((committed, done))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_waiting())
        with span("redis append", Kind.CLIENT, _SYSTEM):
            await done

    async def _send_waiting(self) -> None:
        while self._waiting:
            together, self._waiting = self._waiting, []
            try:
                await self._send([one for committed, _ in together for one in committed.items()])
            except RedisAway as error:
                for _, done in together:
                    done.set_exception(RedisAway(*error.args))
            else:
                for _, done in together:
                    done.set_result(None)
        self._sending = None

    async def _send(self, committed: Sequence[tuple[str, Appended]]) -> None:
        keys = [self._key(visitor_id) for visitor_id, _ in committed]
        arguments: list[Any] = [self._head, self._kept_ms, _MOST_PIECES_KEPT]
        for _, one in committed:
            arguments += [one.position.to_bytes(8, "little"), one.piece]
        try:
            await self._ask(lambda: self._appending(keys, arguments))
        except OutOfMemoryError:
            await self._drop(keys)
        except RedisAway:
            self._doubtful.update(keys)
            raise

    async def drop(self, visitor_id: str) -> None:
        """Remove a visitor's list."""
        await self._drop([self._key(visitor_id)])

    async def close(self) -> None:
        """Close all connections."""
        if self._returning is not None:
            self._returning.cancel()
            await asyncio.gather(self._returning, return_exceptions=True)
        await self._pool.aclose()

    def _key(self, visitor_id: str) -> bytes:
        return self._prefix + visitor_id.encode("utf-8", "surrogatepass")

    async def _replace(self, visitor_id: str, token: bytes, piece: bytes) -> None:
        try:
            with span("redis fill", Kind.CLIENT, _SYSTEM):
                await self._ask(
                    lambda: self._replacing([self._key(visitor_id)], [self._head, self._kept_ms, piece, token])
                )
        except OutOfMemoryError:
            await self._drop([self._key(visitor_id)])

    async def _drop(self, keys: Sequence[bytes]) -> None:
        try:
            with span("redis drop", Kind.CLIENT, _SYSTEM):
                await self._ask(lambda: self._redis.unlink(*keys))
        except RedisAway:
            self._doubtful.update(keys)
            raise

    async def _ask(self, call: Callable[[], Awaitable[Any]]) -> Any:
        if self._returning is not None:
            raise RedisAway("Redis is away")
        try:
            async with asyncio.timeout(_MOST_SECONDS):
                return await call()
        except OutOfMemoryError:
            raise
        except (RedisError, OSError, TimeoutError) as error:
            if self._returning is None:
                _LOG.error("Redis does not answer (%s): events are refused.", error or "no answer in time")
                self._returning = asyncio.create_task(self._return())
            raise RedisAway("Redis does not answer") from error

    async def _return(self) -> None:
        """Wait until Redis answers again, and drop what is in doubt before anybody else asks it."""
        while True:
            await asyncio.sleep(_PROBE_SECONDS)
            doubtful = list(self._doubtful)
            try:
                async with asyncio.timeout(_MOST_SECONDS):
                    await self._redis.ping()
                    for start in range(0, len(doubtful), _KEYS_AT_ONCE):
                        await self._redis.unlink(*doubtful[start : start + _KEYS_AT_ONCE])
            except (RedisError, OSError, TimeoutError):
                continue
            self._doubtful.difference_update(doubtful)
            if not self._doubtful:
                break
        _LOG.warning("Redis answers again.")
        self._returning = None


def check_redis_address(url: str) -> None:
    """Raise ConfigurationError for what is no address of a Redis; asks nobody."""
    _connections(url)


def client_address(url: str) -> str:
    """Return an address as the client knows it: Valkey speaks the same protocol under the older name."""
    return url.replace("valkey", "redis", 1) if url.startswith("valkey") else url


def _connections(url: str) -> Any:
    try:
        return BlockingConnectionPool.from_url(
            client_address(url),
            max_connections=_CONNECTIONS,
            timeout=_MOST_SECONDS,
            socket_timeout=_MOST_SECONDS,
            socket_connect_timeout=_MOST_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:
        # What was found wrong may be a part of the password, so neither this nor its cause is shown.
        raise ConfigurationError(
            "DROPOFF_REDIS_URL is no address of a Redis: write it like redis://127.0.0.1:6379/0, "
            "with %40, %3A and %2F for @, : and / in the password"
        ) from None
