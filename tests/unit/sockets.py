# SPDX-License-Identifier: Apache-2.0
"""A service behind real sockets that misbehaves on demand.

Faults are functions of the request's handler; see `tests.unit.objects.faults`.
"""

import dataclasses
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from keystoneauth1.adapter import Adapter
from keystoneauth1.plugin import BaseAuthPlugin
from keystoneauth1.session import Session


@dataclasses.dataclass
class Fault:
    """Do `action` to the next `times` requests that match."""

    action: Callable[["Handler"], bool]
    method: str
    part: str
    times: int


@dataclasses.dataclass
class Logged:
    """A request that arrived; its status is 0 until it is answered."""

    method: str
    target: str
    query: str
    headers: dict[str, str]
    status: int = 0

    @property
    def container(self) -> str:
        return self.target.partition("/")[0]

    @property
    def name(self) -> str:
        return self.target.partition("/")[2]


class Handler(BaseHTTPRequestHandler):
    """One connection; `target` is what a request is for, without the path that all have."""

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
        self.service = self.server.service
        self.__dict__.pop("answer", None)  # an earlier fault on this connection
        self.body: bytes | None = None
        url = urlsplit(self.path)
        self.query = {k: v[0] for k, v in parse_qs(url.query, keep_blank_values=True).items()}
        self.split_path(unquote(url.path))
        self.logged = Logged(self.command, self.target, url.query, dict(self.headers))
        # First its fault: a test that sees it in the log may take the faults back at once.
        action = self.service.fault_for(self)
        self.service.log.append(self.logged)
        if action is None or not action(self):
            self.serve()

    def split_path(self, path: str) -> None:
        """Set `target`."""
        self.target = path.lstrip("/")

    def respond(self) -> None:
        """Answer a request with a good token."""
        raise NotImplementedError

    def read_body(self) -> bytes:
        if self.body is None:
            length = int(self.headers.get("Content-Length") or 0)
            self.body = self.rfile.read(length)
            if len(self.body) < length:
                raise ConnectionError("the client went away")
        return self.body

    def serve(self) -> None:
        self.read_body()
        if self.headers.get("X-Auth-Token") not in self.service.tokens:
            return self.answer(401)
        with self.service.lock:
            return self.respond()

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

    def log_message(self, *_args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    service: "Service"

    def handle_error(self, *_args: object) -> None:
        pass


class Service:
    """A service; `log` is what was asked of it."""

    handler: type[Handler]

    def __init__(self) -> None:
        self.tokens = {"token-1"}
        self.log: list[Logged] = []
        self.faults: list[Fault] = []
        self.lock = threading.RLock()
        self.released = threading.Event()
        self._server = Server(("127.0.0.1", 0), self.handler)
        self._server.service = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def fault(
        self, action: Callable[[Handler], bool], method: str, part: str = "", times: int = 1
    ) -> None:
        """Order a fault for the next requests whose method and unquoted path match."""
        self.faults.append(Fault(action, method, part, times))

    def requests(self, method: str, part: str = "") -> list[Logged]:
        """Return what was asked, in order."""
        return [
            entry for entry in list(self.log) if entry.method == method and part in entry.target
        ]

    def fault_for(self, handler: Handler) -> Callable[[Handler], bool] | None:
        with self.lock:
            for fault in self.faults:
                if fault.times and fault.method == handler.command and fault.part in handler.target:
                    fault.times -= 1
                    return fault.action
        return None


class Tokens(BaseAuthPlugin):
    """A user whose tokens are `token-1`, `token-2`, ..., a new one whenever one is renewed."""

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


def adapter_for(endpoint: str, service_type: str) -> Adapter:
    """Return an adapter as a user's session would."""
    session = Session(auth=Tokens(endpoint))
    session.session.trust_env = False
    return Adapter(session, service_type=service_type, region_name="DFW")
