"""Counts the bytes that REST connections hold: of all clients, and of each client."""

import ipaddress

SHARE = 2  # one client may hold 1 / SHARE of the limit


class BufferedBytes:
    """The bytes held for all clients, up to `limit`, and for each client, up to half of it."""

    def __init__(self, limit: int):
        self._limit = limit
        self._total = 0
        self._client_bytes: dict[object, int] = {}

    def change(self, client: object, byte_count: int) -> None:
        self._total += byte_count
        client_bytes = self._client_bytes.get(client, 0) + byte_count
        if client_bytes:
            self._client_bytes[client] = client_bytes
        else:
            self._client_bytes.pop(client, None)

    def exceeds_limit(self, client: object) -> bool:
        return self._total > self._limit or self._client_bytes.get(client, 0) > self._limit // SHARE


def client_key(address: str) -> object:
    """Returns what identifies a client: an IPv4 address, or the 64-bit network of an IPv6 address."""
    if ":" not in address:
        return address
    return int(ipaddress.IPv6Address(address)) >> 64
