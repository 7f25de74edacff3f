# SPDX-License-Identifier: Apache-2.0
"""A long line: a proxy that delays what it passes on, and limits the rate of each connection.

`python -m benchmarks.line PORT DELAY RATE` prints its own port and connects to PORT. DELAY is the
round trip in seconds, RATE the bytes per second of each connection in each direction.
"""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

_PIECE = 256 << 10


@contextlib.contextmanager
def running(address: str, *, delay: float, rate: float) -> Iterator[str]:
    """Run a proxy in a process of its own, and yield the URL `address` by way of it.

    :param delay: the round trip in seconds.
    :param rate: bytes per second of each connection, in each direction.
    """
    parts = urlsplit(address)
    command = [sys.executable, "-m", "benchmarks.line", str(parts.port), str(delay), str(rate)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            port = int(process.stdout.readline())
            yield parts._replace(netloc=f"127.0.0.1:{port}").geturl()
        finally:
            process.terminate()


class _Line:
    def __init__(self, port: int, delay: float, rate: float) -> None:
        self._port = port
        self._delay = delay
        self._rate = rate

    async def serve(self) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=_PIECE)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(self._delay)  # of the handshake
        onward, backward = await asyncio.open_connection("127.0.0.1", self._port, limit=_PIECE)
        await asyncio.gather(self._pass(reader, backward), self._pass(onward, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on everything, half a round trip later, and no faster than the rate."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivery = asyncio.create_task(self._deliver(waiting, writer))
        clock = asyncio.get_running_loop().time
        free_at = clock()
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(_PIECE):
                free_at = max(free_at, clock()) + len(piece) / self._rate
                waiting.put_nowait((free_at + self._delay / 2, piece))
                await asyncio.sleep(free_at - clock())
        waiting.put_nowait((clock() + self._delay / 2, b""))
        await delivery

    async def _deliver(
        self, waiting: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        clock = asyncio.get_running_loop().time
        with contextlib.suppress(ConnectionError):
            while True:
                due, piece = await waiting.get()
                await asyncio.sleep(max(due - clock(), 0))
                if not piece:
                    break
                writer.write(piece)
                await writer.drain()
        writer.close()


if __name__ == "__main__":
    asyncio.run(_Line(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])).serve())
