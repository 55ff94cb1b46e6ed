"""Finds the address of a host, and refuses the ones that lead into a private network."""

import ipaddress
import socket
from typing import Final

from pipeline.errors import Invalid
from schemas.errors import ErrorCode

_GLOBAL_UNICAST: Final = ipaddress.ip_network("2000::/3")
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_6TO4: Final = ipaddress.ip_network("2002::/16")


def resolve(host: str, port: int, *, allow_private: bool) -> str:
    """The address to connect to, after a check of all the addresses that the name has.

    Connect to this address and not to the name: a second look-up may give another answer.

    Raises:
        Invalid: FILE_UNREACHABLE, the name cannot be resolved; URL_NOT_ALLOWED, an address of it is not public.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Invalid(ErrorCode.FILE_UNREACHABLE, f"the name {host} cannot be resolved: {error}") from error
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not (allow_private or is_public(address)):
            raise Invalid(ErrorCode.URL_NOT_ALLOWED, f"{host} has the address {address}, which is not public")
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether anybody on the internet can reach the address; for IPv6, what an IPv4 address inside it says counts.

    Source: the IANA special-purpose address registries, as `ipaddress` knows them, and RFC 6052 for NAT64.
    """
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped
        if parsed in _NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is None:
            return parsed in _GLOBAL_UNICAST and parsed not in _6TO4 and parsed.is_global
        parsed = inner
    return parsed.is_global and not parsed.is_multicast
