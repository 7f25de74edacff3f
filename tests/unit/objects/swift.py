# SPDX-License-Identifier: Apache-2.0
"""A small in-memory Swift behind real sockets, with faults on request.

It keeps to the parts of the API that the package uses, written from the API reference and not
from our code. Faults are functions of the request's handler; see `faults.py`.
"""

import dataclasses
import hashlib
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit

from keystoneauth1.adapter import Adapter
from keystoneauth1.plugin import BaseAuthPlugin
from keystoneauth1.session import Session

ACCOUNT = "/v1/AUTH_test"


@dataclasses.dataclass
class Stored:
    content: bytes
    headers: dict[str, str]
    slo: list[dict] | None = None

    @property
    def etag(self) -> str:
        if self.slo is not None:
            joined = "".join(entry["hash"] for entry in self.slo)
            return hashlib.md5(joined.encode()).hexdigest()
        return hashlib.md5(self.content).hexdigest()


@dataclasses.dataclass
class Fault:
    """Apply `action` to the next `times` requests that match."""

    action: Callable[["Handler"], bool]
    method: str
    part: str
    times: int


@dataclasses.dataclass
class Logged:
    """A request that arrived; its status is 0 until it is answered."""

    method: str
    container: str
    name: str
    query: str
    headers: dict[str, str]
    status: int = 0


class Handler(BaseHTTPRequestHandler):
    """One connection; `swift` is the service."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, ValueError):
            self.close_connection = True

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._do
        raise AttributeError(name)

    def _do(self) -> None:
        self.swift = self.server.swift
        self.__dict__.pop("answer", None)  # an earlier fault on this connection
        self.body: bytes | None = None
        url = urlsplit(self.path)
        self.query = {k: v[0] for k, v in parse_qs(url.query, keep_blank_values=True).items()}
        path = unquote(url.path.removeprefix(ACCOUNT)).removeprefix("/")
        self.container, _, self.name = path.partition("/")
        self.logged = Logged(self.command, self.container, self.name, url.query, dict(self.headers))
        # First its fault: a test that sees it in the log may take the faults back at once.
        action = self.swift.fault_for(self)
        self.swift.log.append(self.logged)
        if action is None or not action(self):
            self.serve()

    def read_body(self) -> bytes:
        if self.body is None:
            length = int(self.headers.get("Content-Length") or 0)
            self.body = self.rfile.read(length)
            if len(self.body) < length:
                raise ConnectionError("the client went away")
        return self.body

    def serve(self) -> None:
        self.read_body()
        if self.headers.get("X-Auth-Token") not in self.swift.tokens:
            return self.answer(401)
        with self.swift.lock:
            kind = "object" if self.name else "container" if self.container else "account"
            return getattr(self, f"{self.command.lower()}_{kind}")()

    def answer(self, status: int, headers: dict | None = None, body: bytes = b"") -> None:
        self.logged.status = status
        self.send_response(status)
        headers = dict(headers or {})
        headers.setdefault("Content-Length", str(len(body)))
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    # Containers

    def get_account(self) -> None:
        names = sorted(n for n in self.swift.containers if n > self.query.get("marker", ""))
        names = [n for n in names if n.startswith(self.query.get("prefix", ""))]
        entries = [{"name": n, "count": 0, "bytes": 0} for n in names[: self.swift.page]]
        self.answer(200, {}, json.dumps(entries).encode())

    def put_container(self) -> None:
        known = self.container in self.swift.containers
        self.swift.containers.setdefault(self.container, {})
        self.answer(202 if known else 201)

    def head_container(self) -> None:
        if self.container not in self.swift.containers:
            return self.answer(404)
        objects = self.swift.containers[self.container]
        size = sum(len(stored.content) for stored in objects.values())
        return self.answer(
            204, {"X-Container-Object-Count": len(objects), "X-Container-Bytes-Used": size}
        )

    def get_container(self) -> None:
        if self.container not in self.swift.containers:
            return self.answer(404)
        objects = self.swift.containers[self.container]
        names = [
            name
            for name in sorted(objects, key=str.encode)
            if name > self.query.get("marker", "")
            and name.startswith(self.query.get("prefix", ""))
            and name not in self.swift.unlisted
        ]
        entries = [
            {
                "name": name,
                "bytes": self.swift.size(objects[name]) if objects[name].slo else
                len(objects[name].content),
                "hash": objects[name].etag,
                "last_modified": "2026-01-01T00:00:00.000000",
                "content_type": "application/octet-stream",
            }
            for name in names[: self.swift.page]
        ]  # fmt: skip
        return self.answer(200, {}, json.dumps(entries).encode())

    # Objects

    def put_object(self) -> None:
        if self.container not in self.swift.containers:
            return self.answer(404)
        kept = {k: v for k, v in self.headers.items() if k.lower() in KEPT}
        stored = Stored(self.read_body(), kept)
        if self.query.get("multipart-manifest") == "put":
            errors = self.swift.link(stored)
            if errors:
                return self.answer(400, {"Content-Type": "text/plain"}, "\n".join(errors).encode())
        self.swift.containers[self.container][self.name] = stored
        return self.answer(201, {"ETag": stored.etag})

    def post_object(self) -> None:
        stored = self.swift.find(self.container, self.name)
        if stored is None:
            return self.answer(404)
        stored.headers = {k: v for k, v in self.headers.items() if k.lower() in KEPT}
        return self.answer(202)

    def delete_object(self) -> None:
        stored = self.swift.find(self.container, self.name)
        if stored is None:
            return self.answer(404)
        if self.query.get("multipart-manifest") == "delete" and stored.slo is not None:
            for entry in stored.slo:
                container, _, name = entry["name"].lstrip("/").partition("/")
                self.swift.containers.get(container, {}).pop(name, None)
        del self.swift.containers[self.container][self.name]
        if "multipart-manifest" in self.query:
            return self.answer(200, {}, json.dumps({"Response Status": "200 OK"}).encode())
        return self.answer(204)

    def head_object(self) -> None:
        self.get_object()

    def get_object(self) -> None:
        stored = self.swift.find(self.container, self.name)
        if stored is None:
            return self.answer(404)
        if self.query.get("multipart-manifest") == "get" and stored.slo is not None:
            body = json.dumps(stored.slo).encode()
            return self.answer(200, {"X-Static-Large-Object": "True"}, body)
        content = self.swift.content(stored)
        etag, headers = stored.etag, dict(stored.headers)
        if stored.slo is not None:
            etag, headers["X-Static-Large-Object"] = f'"{stored.etag}"', "True"
        headers["ETag"] = etag
        wanted = self.headers.get("If-Match")
        if wanted and wanted.strip('"') != etag.strip('"'):
            return self.answer(412)
        if self.headers.get("Range"):
            first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
            if int(first) >= len(content):
                return self.answer(416)
            end = min(int(last or len(content) - 1), len(content) - 1) + 1
            headers["Content-Range"] = f"bytes {first}-{end - 1}/{len(content)}"
            headers["Content-Length"] = str(end - int(first))
            return self.answer(206, headers, content[int(first) : end])
        headers["Content-Length"] = str(len(content))
        return self.answer(200, headers, content)

    def log_message(self, *_args: object) -> None:
        pass


KEPT = {
    "x-delete-after", "x-object-manifest", "content-type",
    "x-object-meta-image-task-deleting", "x-object-meta-image-task-kept",
}  # fmt: skip


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    swift: "Swift"

    def handle_error(self, *_args: object) -> None:
        pass


class Swift:
    """The service; `containers` is its whole state, `log` the requests it received."""

    def __init__(self) -> None:
        self.containers: dict[str, dict[str, Stored]] = {}
        self.tokens = {"token-1"}
        self.log: list[Logged] = []
        self.faults: list[Fault] = []
        self.unlisted: set[str] = set()
        self.page = 10000
        self.lock = threading.RLock()
        self.released = threading.Event()
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.swift = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def adapter(self) -> Adapter:
        """Return an adapter as a user's session does."""
        session = Session(auth=Tokens(self.url + ACCOUNT))
        session.session.trust_env = False
        return Adapter(session, service_type="object-store", region_name="DFW")

    # What tests set up and look at

    def fault(
        self, action: Callable[[Handler], bool], method: str, part: str = "", times: int = 1
    ) -> None:
        """Inject a fault into the next requests whose method and unquoted path match."""
        self.faults.append(Fault(action, method, part, times))

    def put(self, container: str, name: str, content: bytes, **headers: str) -> None:
        headers = {key.replace("_", "-"): value for key, value in headers.items()}
        self.containers.setdefault(container, {})[name] = Stored(content, headers)

    def put_slo(self, container: str, name: str, pieces: list[bytes]) -> list[str]:
        """Store an SLO as python-swiftclient does, and return the names of its segments."""
        names = [f"{name}/slo/1/2/3/{index:08d}" for index in range(len(pieces))]
        for segment, piece in zip(names, pieces, strict=True):
            self.put(f"{container}_segments", segment, piece)
        paths = [{"path": f"/{container}_segments/{segment}"} for segment in names]
        stored = Stored(json.dumps(paths).encode(), {})
        assert not self.link(stored)
        self.containers.setdefault(container, {})[name] = stored
        return names

    def put_dlo(self, container: str, name: str, pieces: list[bytes]) -> list[str]:
        """Store a DLO as Glance does, and return the names of its segments."""
        names = [f"{name}-{index:05d}" for index in range(1, len(pieces) + 1)]
        for segment, piece in zip(names, pieces, strict=True):
            self.put(container, segment, piece)
        self.put(container, name, b"", X_Object_Manifest=quote(f"{container}/{name}-"))
        return names

    def names(self, container: str) -> list[str]:
        return sorted(self.containers.get(container, {}))

    def read(self, container: str, name: str) -> bytes:
        """Return the content of an object as a client would get it."""
        return self.content(self.containers[container][name])

    def requests(self, method: str, part: str = "") -> list[Logged]:
        """Return the requests received, in order."""
        return [
            entry
            for entry in list(self.log)
            if entry.method == method and part in f"{entry.container}/{entry.name}"
        ]

    # Behind the handler

    def fault_for(self, handler: Handler) -> Callable[[Handler], bool] | None:
        with self.lock:
            for fault in self.faults:
                path = f"{handler.container}/{handler.name}"
                if fault.times and fault.method == handler.command and fault.part in path:
                    fault.times -= 1
                    return fault.action
        return None

    def find(self, container: str, name: str) -> Stored | None:
        return self.containers.get(container, {}).get(name)

    def size(self, stored: Stored) -> int:
        return len(self.content(stored))

    def link(self, stored: Stored) -> list[str]:
        """Check and store a manifest as Swift does."""
        entries, errors = [], []
        for given in json.loads(stored.content):
            container, _, name = given["path"].lstrip("/").partition("/")
            segment = self.find(container, name)
            if segment is None:
                errors.append(f"{quote(given['path'])}, 404 Not Found")
                continue
            size = self.size(segment)
            if given.get("etag", segment.etag) != segment.etag:
                errors.append(f"{quote(given['path'])}, Etag Mismatch")
            if given.get("size_bytes", size) != size:
                errors.append(f"{quote(given['path'])}, Size Mismatch")
            entry = {"name": f"/{container}/{name}", "bytes": size, "hash": segment.etag}
            entries.append(entry | ({"sub_slo": True} if segment.slo is not None else {}))
        stored.slo, stored.content = entries, b""
        return errors

    def content(self, stored: Stored) -> bytes:
        if stored.slo is not None:
            pieces = []
            for entry in stored.slo:
                container, _, name = entry["name"].lstrip("/").partition("/")
                pieces.append(self.content(self.containers[container][name]))
            return b"".join(pieces)
        if "X-Object-Manifest" in stored.headers:
            container, _, prefix = unquote(stored.headers["X-Object-Manifest"]).partition("/")
            objects = self.containers.get(container, {})
            return b"".join(objects[n].content for n in sorted(objects) if n.startswith(prefix))
        return stored.content


class Tokens(BaseAuthPlugin):
    """A user whose tokens are `token-1`, `token-2`, ..., a new one after each renewal."""

    def __init__(self, endpoint: str) -> None:
        super().__init__()
        self._endpoint = endpoint
        self.issued = 1

    def get_token(self, session, **kwargs):
        return f"token-{self.issued}"

    def get_endpoint(self, session, **kwargs):
        return self._endpoint

    def invalidate(self):
        self.issued += 1
        return True
