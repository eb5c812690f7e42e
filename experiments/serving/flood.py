"""Flood: clients without a token send more than they may. The server's memory stays bounded.

Each attack lasts for its time and comes from one or more addresses of this machine. A connection that the server closes
is opened again. Memory is read before the attack and until its end.
"""

import asyncio
import contextlib
import itertools
import ssl
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from inputs import MODEL, MODELS
from memory import sampled
from server import serving

GROWTH = 1.2  # memory under an attack, relative to that before
WRITE_BYTES = 262_144
LIVE = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"
PREDICT = b"POST /v1/models/%b:predict HTTP/1.1\r\nHost: localhost\r\n" % MODEL.encode()
FILLER = b"a" * 60_000
BYTE_CHUNKS = b"1\r\n \r\n" * 40_000


@dataclass(frozen=True)
class Attack:
    """Each of `connections` sends `first` once, then `repeated` in a loop. With reads=False it never reads.

    addresses: the number of addresses in 127.0.0.0/8 that the connections come from in turn.
    """

    name: str
    connections: int
    first: bytes
    repeated: bytes = b""
    reads: bool = True
    addresses: int = 1
    tls: bool = False


def pipelined(request: bytes) -> bytes:
    return request * -(-WRITE_BYTES // len(request))


LONG_HEAD = LIVE + b"X: " + FILLER + b"\r\n\r\n"
HEADERS = b"".join(b"%d:\r\n" % number for number in range(9000))
MIXED = pipelined(LIVE + b"\r\n" + LONG_HEAD)
ATTACKS = [
    Attack("heads of 60 kB", 1, b"", pipelined(LONG_HEAD)),
    Attack("small requests", 1, b"", pipelined(LIVE + b"\r\n")),
    Attack("heads of 60 kB", 64, b"", pipelined(LONG_HEAD)),
    Attack("small requests", 64, b"", pipelined(LIVE + b"\r\n")),
    Attack("never reads", 1000, b"", MIXED, reads=False),
    Attack("heads of 60 kB, 20 addresses", 1000, b"", pipelined(LONG_HEAD), addresses=20),
    Attack("heads of 9,000 headers", 64, b"", LIVE + HEADERS + b"\r\n"),
    Attack("heads without end", 2000, LIVE + b"X: " + FILLER),
    Attack("targets of 60 kB", 500, PREDICT.replace(b":predict", FILLER) + b"Content-Length: 9\r\n\r\n"),
    Attack("bodies without end", 2000, PREDICT + b"Content-Length: 999999\r\n\r\n" + b" " * 900_000),
    Attack(
        "bodies without end, 20 addresses",
        2000,
        PREDICT + b"Content-Length: 999999\r\n\r\n" + b" " * 900_000,
        addresses=20,
    ),
    Attack("bodies and what follows", 64, b"", PREDICT + b"Content-Length: 900000\r\n\r\n" + b" " * 900_000 + MIXED),
    Attack("chunks of a byte", 64, b"", PREDICT + b"Transfer-Encoding: chunked\r\n\r\n" + BYTE_CHUNKS * 3),
    Attack("trailers without end", 64, PREDICT + b"Transfer-Encoding: chunked\r\n\r\n1\r\n \r\n0\r\n", HEADERS * 20),
    Attack("heads of 60 kB over TLS", 1, b"", pipelined(LONG_HEAD), tls=True),
    Attack("heads of 60 kB over TLS", 64, b"", pipelined(LONG_HEAD), tls=True),
    Attack("TLS connections", 1000, b"", tls=True),
    Attack("bodies without end over TLS", 200, PREDICT + b"Content-Length: 999999\r\n\r\n" + b" " * 900_000, tls=True),
]


def measure(quick: bool, seed: int) -> Iterator[dict]:
    with tempfile.TemporaryDirectory() as folder:
        pair = certificate(Path(folder))
        for number, attack in enumerate(ATTACKS):
            with serving(MODELS, *(pair if attack.tls else ())) as server:
                server_seconds = 3 if quick else 60 if number == 0 else 20
                with sampled(server.resident_mib) as memory:
                    counts = asyncio.run(attacked(server.rest, attack, server_seconds))
            yield {
                "attack": attack.name,
                "connections": attack.connections,
                "addresses": attack.addresses,
                "seconds": server_seconds,
                "start_mib": round(memory[0]),
                "peak_mib": round(max(memory)),
                "end_mib": round(memory[-1]),
                "growth": round(max(memory) / memory[0], 3),
                "sent_mb": round(counts["sent"] / 1e6),
                "received_mb": round(counts["received"] / 1e6, 1),
                "connected": counts["connected"],
                "a_request_after_it": counts["after"],
            }


def verdicts(rows: list[dict]) -> dict[str, bool]:
    return {
        f"memory stays under {GROWTH} x what it was": all(row["growth"] < GROWTH for row in rows),
        "a request after it is answered": all(row["a_request_after_it"] == 200 for row in rows),
    }


async def attacked(url: str, attack: Attack, seconds: float) -> Counter:
    """Returns bytes sent and received, connections opened, and the status of a request after the attack."""
    counts, end = Counter(), time.monotonic() + seconds
    tasks = [
        asyncio.create_task(run_connection(url, attack, number, end, counts)) for number in range(attack.connections)
    ]
    await asyncio.gather(*tasks)
    reader, writer = await opened(url, attack)
    writer.write(LIVE + b"Connection: close\r\n\r\n")
    counts["after"] = int((await asyncio.wait_for(reader.read(), 30)).split()[1])
    writer.close()
    return counts


async def opened(url: str, attack: Attack, number: int = 0) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(url)
    context = None
    if attack.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    source = (f"127.0.0.{1 + number % attack.addresses}", 0)
    return await asyncio.open_connection(parts.hostname, parts.port, ssl=context, local_addr=source)


async def run_connection(url: str, attack: Attack, number: int, end: float, counts: Counter) -> None:
    while (seconds_left := end - time.monotonic()) > 0:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(seconds_left):
                reader, writer = await opened(url, attack, number)
                counts["connected"] += 1
                try:
                    await asyncio.gather(send(writer, attack, counts), read(reader, attack, counts))
                finally:
                    writer.transport.abort()
        await asyncio.sleep(0.01)


async def send(writer: asyncio.StreamWriter, attack: Attack, counts: Counter) -> None:
    repeated = itertools.repeat(attack.repeated) if attack.repeated else []
    for data in itertools.chain([attack.first], repeated):
        writer.write(data)
        await writer.drain()
        counts["sent"] += len(data)
        await asyncio.sleep(0)


async def read(reader: asyncio.StreamReader, attack: Attack, counts: Counter) -> None:
    """Raises an error when the server closes the connection."""
    while attack.reads:
        data = await reader.read(WRITE_BYTES)
        if not data:
            raise ConnectionResetError
        counts["received"] += len(data)


def certificate(folder: Path) -> list[object]:
    """The options for a self-signed certificate."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -days 2"
    files = ["-out", folder / "certificate.pem", "-keyout", folder / "key.pem"]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    return ["--tls-certificate", files[1], "--tls-key", files[3]]
