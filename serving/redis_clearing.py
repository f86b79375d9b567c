"""Take what dropoff keeps out of a Redis: after a restoration it would know more than the log."""

from redis import Redis
from redis.exceptions import RedisError

from serving.errors import StartError
from serving.redis_visitors import KEY_START, check_redis_address, client_address

_KEYS_AT_ONCE = 1_000


def clear_redis(url: str) -> int:
    """Delete every journey's visitors, and nothing else, and return how many there were.

    Raises :class:`StartError` where it does not answer, ``serving.configuration.ConfigurationError`` for no address.
    """
    check_redis_address(url)
    try:
        with Redis.from_url(client_address(url), socket_timeout=5, socket_connect_timeout=5) as client:
            keys = list(client.scan_iter(match=f"{KEY_START}*", count=_KEYS_AT_ONCE))
            for start in range(0, len(keys), _KEYS_AT_ONCE):
                client.unlink(*keys[start : start + _KEYS_AT_ONCE])
    except (RedisError, OSError) as error:
        raise StartError(
            f"Redis does not answer ({error}): the backup is in place, but empty Redis before the service starts: "
            "`redis-cli FLUSHDB`"
        ) from error
    return len(keys)
