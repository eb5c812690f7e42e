"""How many bytes REST connections hold, all together and those of each client."""

import ipaddress

SHARE = 2  # one client may hold so much of the whole


class Buffered:
    """Bytes that are held, up to `limit` of all clients together and half of that of one."""

    def __init__(self, limit: int):
        self._limit = limit
        self._total = 0
        self._of_client: dict[object, int] = {}

    def change(self, client: object, by: int) -> None:
        self._total += by
        held = self._of_client.get(client, 0) + by
        if held:
            self._of_client[client] = held
        else:
            self._of_client.pop(client, None)

    def over(self, client: object) -> bool:
        return self._total > self._limit or self._of_client.get(client, 0) > self._limit // SHARE


def client_of(address: str) -> object:
    """Who shares a limit: an IPv4 address, and of IPv6 the network of 64 bits that a host has for itself."""
    if ":" not in address:
        return address
    return int(ipaddress.IPv6Address(address)) >> 64
