"""Where a request comes from: this machine, another one, or one that a trusted proxy names."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from starlette.types import Scope

from serving.errors import ClientError

Network = IPv4Network | IPv6Network

_FORWARDED_FOR, _FORWARDED_SCHEME = b"x-forwarded-for", b"x-forwarded-proto"
_PROXIED = frozenset((_FORWARDED_FOR, b"forwarded", b"x-real-ip", b"via"))
_MOST_HOPS = 20
_IPV6_SITE_BITS = 64


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return addresses and networks that are written with commas between; raises ValueError for what is neither."""
    return tuple(ip_network(one.strip(), strict=False) for one in text.split(",") if one.strip())


def see_through(scope: Scope, trusted: Sequence[Network]) -> None:
    """Put the client and the scheme that trusted proxies name in the place of the proxy's own.

    Each proxy appends whom it was asked by, so the client is the last one named that is no trusted proxy itself; what
    stands before it may have been made up.
    """
    peer = scope.get("client")
    if not peer or not _is_within(peer[0], trusted):
        return
    headers = scope["headers"]
    named_by = [value.decode("latin-1") for name, value in headers if name == _FORWARDED_FOR]
    hops = [hop.strip() for hop in ",".join(named_by).split(",")]
    client = peer[0]
    for hop in reversed(hops[-_MOST_HOPS:]):
        named = _without_port(hop)
        if _address_of(named) is None:
            break
        client = named
        if not _is_within(named, trusted):
            break
    scope["client"] = (client, 0)
    schemes = [value.strip().lower() for name, value in headers if name == _FORWARDED_SCHEME]
    if schemes and schemes[-1] in (b"http", b"https"):
        scope["scheme"] = schemes[-1].decode()


def client_of(scope: Scope) -> str:
    """Return who asks, for limits: the address, of IPv6 the network of 64 bits that one customer has for himself."""
    client = scope.get("client")
    if not client:
        return ""
    host = str(client[0])
    if ":" not in host:
        return host
    address = _address_of(host)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address), _IPV6_SITE_BITS), strict=False))
    return host if address is None else str(address)


def require_local(scope: Scope) -> None:
    """Raise :class:`ClientError`, 403, unless a request comes from this machine, by one of its own names.

    A name of somebody else's that leads here (DNS rebinding) would let that site's pages read what is answered, and
    behind a proxy everybody seems to be local.
    """
    client = scope.get("client")
    host = b""
    proxied = False
    for name, value in scope["headers"]:
        if name == b"host":
            host = value
        proxied = proxied or name in _PROXIED
    if not proxied and client and is_loopback(client[0]) and _is_own_name(host.decode("latin-1")):
        return
    raise ClientError(
        403,
        "local_only",
        "There are no keys yet, so this service answers its own machine only, at http://127.0.0.1 or "
        "http://localhost: make a key with `dropoff keys new --permission admin --name NAME`, or use an SSH tunnel.",
    )


def is_loopback(host: str | None) -> bool:
    """Whether an address is this machine's own."""
    if host == "127.0.0.1":
        return True
    address = None if host is None else _address_of(host)
    return address is not None and address.is_loopback


def _is_own_name(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return name == "localhost" or is_loopback(name)


def _is_within(host: str, networks: Sequence[Network]) -> bool:
    address = _address_of(host)
    return address is not None and any(address in network for network in networks)


def _address_of(host: str) -> IPv4Address | IPv6Address | None:
    """Return an address, that of IPv4 where a socket for both kinds has wrapped it in IPv6; None for no address."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
