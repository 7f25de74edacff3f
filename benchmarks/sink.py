# SPDX-License-Identifier: Apache-2.0
"""A replacement for Swift that uses little CPU time: it knows all MD5s and computes none.

`python -m benchmarks.sink FACTS [CERTIFICATE KEY]` prints its port and serves one file. It discards
uploads of the file and responds with the correct ETags. The file can be downloaded as one object,
as an SLO, or as an object for each segment.
"""

import contextlib
import json
import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from benchmarks.disks import md5_of

ACCOUNT = "/v1/AUTH_benchmark"
_PIECE = 1 << 20


@dataclass(frozen=True)
class Facts:
    """A file, and the MD5s of its segments."""

    path: str
    size: int
    segment_size: int
    md5: str
    segment_md5s: list[str]

    @classmethod
    def of(cls, path: Path, segment_size: int) -> "Facts":
        size = path.stat().st_size
        md5s = [md5_of(path, at, segment_size) for at in range(0, size, segment_size)]
        return cls(str(path), size, segment_size, md5_of(path, 0, size), md5s)

    @property
    def slo_md5(self) -> str:
        return md5("".join(self.segment_md5s).encode(), usedforsecurity=False).hexdigest()


@contextlib.contextmanager
def running(facts: Facts, folder: Path, *, tls: bool = False) -> Iterator[str]:
    """Run the sink in a process of its own and yield the URL of the account."""
    (folder / "facts.json").write_text(json.dumps(asdict(facts)))
    secrets = _certificate(folder) if tls else []
    command = [sys.executable, "-m", "benchmarks.sink", folder / "facts.json", *secrets]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            port = int(process.stdout.readline())
            yield f"{'https' if tls else 'http'}://127.0.0.1:{port}{ACCOUNT}"
        finally:
            process.terminate()


def _certificate(folder: Path) -> list[Path]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-out", certificate, "-keyout", key],
        check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return [certificate, key]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    facts: Facts
    uploaded: dict[str, str]
    """The complete objects that were uploaded: path to type, `slo`, `dlo` or `plain`."""

    def do_PUT(self) -> None:
        length = self._discard()
        if self._is_container:
            self.uploaded.clear()
            self._answer(201)
        elif "multipart-manifest" in self._query:
            self.uploaded[self._path] = "slo"
            self._answer(201, ETag=self.facts.slo_md5)
        elif "X-Object-Manifest" in self.headers:
            self.uploaded[self._path] = "dlo"
            self._answer(201, ETag=md5(b"").hexdigest())
        elif length == self.facts.size:
            self.uploaded[self._path] = "plain"
            self._answer(201, ETag=self.facts.md5)
        else:
            self._answer(201, ETag=self.facts.segment_md5s[self._index])

    def do_POST(self) -> None:
        self._discard()
        self._answer(202)

    def do_DELETE(self) -> None:
        self.uploaded.pop(self._path, None)
        self._answer(204)

    def do_HEAD(self) -> None:
        if self._is_container:
            self._answer(204, **{"X-Container-Object-Count": "0", "X-Container-Bytes-Used": "0"})
        else:
            self._object(with_body=False)

    def do_GET(self) -> None:
        if self._path == "/info":
            self._json({"swift": {"max_file_size": 5 << 30}, "slo": {"min_segment_size": 1}})
        elif self._is_container:
            self._json(self._listing())
        elif "multipart-manifest" in self._query:
            self._json([
                {"name": f"/segments/{index:08d}", "bytes": self._length(index), "hash": etag}
                for index, etag in enumerate(self.facts.segment_md5s)
            ])  # fmt: skip
        else:
            self._object(with_body=True)

    def _listing(self) -> list[dict[str, Any]]:
        if self._path.strip("/") != "segments" or "marker" in self._query:
            return []
        common = {"last_modified": "2000-01-01T00:00:00.000000", "content_type": "x/y"}
        return [
            {"name": f"{index:08d}", "bytes": self._length(index), "hash": etag} | common
            for index, etag in enumerate(self.facts.segment_md5s)
        ]

    def _object(self, *, with_body: bool) -> None:
        """Respond for `slo/disk`, `plain/disk`, `segments/N`, or an uploaded object."""
        container = self._path.strip("/").split("/")[0]
        kind = self.uploaded.get(self._path, container)
        if kind == "segments":
            offset, length = self._index * self.facts.segment_size, self._length(self._index)
            headers = {"ETag": self.facts.segment_md5s[self._index]}
        elif kind in {"slo", "dlo", "plain"}:
            offset, length = 0, self.facts.size
            headers = {"ETag": self.facts.md5 if kind == "plain" else self.facts.slo_md5}
            headers |= {"X-Static-Large-Object": "True"} if kind == "slo" else {}
            headers |= {"X-Object-Manifest": "segments/"} if kind == "dlo" else {}
        else:
            self._answer(404)
            return
        status = 200
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")):
            first, last = map(int, wanted.groups())
            headers["Content-Range"] = f"bytes {first}-{last}/{length}"
            status, offset, length = 206, offset + first, last + 1 - first
        self._answer(status, length, **headers)
        if with_body:
            self._send(offset, length)

    def _discard(self) -> int:
        length = int(self.headers.get("Content-Length", 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            return self._discard_chunks()
        self._take(length)
        return length

    def _discard_chunks(self) -> int:
        total = 0
        while length := int(self.rfile.readline(), 16):
            self._take(length)
            self.rfile.readline()
            total += length
        self.rfile.readline()
        return total

    def _take(self, length: int) -> None:
        buffer = memoryview(bytearray(_PIECE))
        while length > 0:
            got = self.rfile.readinto(buffer[: min(length, _PIECE)])
            if not got:
                raise ConnectionError
            length -= got

    def _send(self, offset: int, length: int) -> None:
        with open(self.facts.path, "rb") as file:  # noqa: PTH123
            if isinstance(self.connection, ssl.SSLSocket):
                while length > 0:
                    piece = os.pread(file.fileno(), min(length, _PIECE), offset)
                    self.connection.sendall(piece)
                    offset, length = offset + len(piece), length - len(piece)
            else:
                self.connection.sendfile(file, offset, length)

    def _json(self, content: object) -> None:
        body = json.dumps(content).encode()
        self._answer(200, len(body), **{"Content-Type": "application/json"})
        self.wfile.write(body)

    def _answer(self, status: int, length: int = 0, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    @property
    def _query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query)

    @property
    def _path(self) -> str:
        return unquote(urlsplit(self.path).path).removeprefix(ACCOUNT)

    @property
    def _is_container(self) -> bool:
        return "/" not in self._path.strip("/")

    @property
    def _index(self) -> int:
        """The number of the segment, which is at the end of its name with every client."""
        return int(re.findall("[0-9]+", self._path)[-1])

    def _length(self, index: int) -> int:
        size = self.facts.segment_size
        return min(size, self.facts.size - index * size)

    def log_message(self, *_arguments: object) -> None:
        """Log nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    context: ssl.SSLContext | None = None

    def finish_request(self, request: socket.socket, client_address: object) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            if self.context:
                request = self.context.wrap_socket(request, server_side=True)
            super().finish_request(request, client_address)  # type: ignore[arg-type]

    def handle_error(self, *_arguments: object) -> None:
        sys.excepthook(*sys.exc_info())


def _serve(facts: str, *secrets: str) -> None:
    _Handler.facts = Facts(**json.loads(Path(facts).read_text()))
    _Handler.uploaded = {}
    server = _Server(("127.0.0.1", 0), _Handler)
    if secrets:
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.context.load_cert_chain(*secrets)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
