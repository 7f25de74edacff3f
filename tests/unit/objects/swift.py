# SPDX-License-Identifier: Apache-2.0
"""A small Swift in memory, behind real sockets, that misbehaves on demand.

It implements the parts of the API that the package uses, written from the API reference and not
from our code. Faults are functions of the request's handler; see `faults.py`.
"""

import dataclasses
import hashlib
import json
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import quote, unquote

from keystoneauth1.adapter import Adapter

from tests.unit import sockets
from tests.unit.sockets import Tokens, adapter_for

__all__ = ["ACCOUNT", "Handler", "Swift", "Tokens"]

ACCOUNT = "/v1/AUTH_test"


@dataclasses.dataclass
class Stored:
    content: bytes
    headers: dict[str, str]
    slo: list[dict] | None = None
    modified: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    @property
    def etag(self) -> str:
        if self.slo is not None:
            joined = "".join(entry["hash"] for entry in self.slo)
            return hashlib.md5(joined.encode()).hexdigest()
        return hashlib.md5(self.content).hexdigest()


class Handler(sockets.Handler):
    """One connection; `swift` is the service."""

    service: "Swift"

    @property
    def swift(self) -> "Swift":
        return self.service

    def split_path(self, path: str) -> None:
        self.container, _, self.name = path.removeprefix(ACCOUNT).removeprefix("/").partition("/")
        self.target = f"{self.container}/{self.name}"

    def date_time_string(self, timestamp=None) -> str:
        return format_datetime(self.swift.now, usegmt=True)

    def respond(self) -> None:
        kind = "object" if self.name else "container" if self.container else "account"
        return getattr(self, f"{self.command.lower()}_{kind}")()

    # Containers

    def get_account(self) -> None:
        names = sorted(n for n in self.swift.containers if n > self.query.get("marker", ""))
        names = [n for n in names if n.startswith(self.query.get("prefix", ""))]
        entries = [{"name": n, "count": 0, "bytes": 0} for n in names[: self.swift.page]]
        self.answer(200, {}, json.dumps(entries).encode())

    def head_account(self) -> None:
        self.answer(204, self.swift.quotas.get("", {}))

    def put_container(self) -> None:
        known = self.container in self.swift.containers
        self.swift.containers.setdefault(self.container, {})
        self.answer(202 if known else 201)

    def head_container(self) -> None:
        if self.container not in self.swift.containers:
            return self.answer(404)
        objects = self.swift.containers[self.container]
        size = sum(len(stored.content) for stored in objects.values())
        counts = {"X-Container-Object-Count": len(objects), "X-Container-Bytes-Used": size}
        return self.answer(204, counts | self.swift.quotas.get(self.container, {}))

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
                "last_modified": objects[name].modified.strftime("%Y-%m-%dT%H:%M:%S.%f"),
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
        stored = Stored(self.read_body(), kept, modified=self.swift.now)
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
        stored.modified = self.swift.now
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


KEPT = {
    "x-delete-after", "x-object-manifest", "content-type",
    "x-object-meta-image-task-deleting", "x-object-meta-image-task-kept",
}  # fmt: skip


class Swift(sockets.Service):
    """The service; `containers` is its whole state, `log` the requests it received.

    Its clock, `now`, stands still.
    """

    handler = Handler

    def __init__(self) -> None:
        self.containers: dict[str, dict[str, Stored]] = {}
        self.unlisted: set[str] = set()
        self.page = 10000
        self.quotas: dict[str, dict[str, object]] = {}  # by container; "" is the account
        self.now = datetime(2026, 1, 2, tzinfo=UTC)
        super().__init__()

    def adapter(self) -> Adapter:
        """Return an adapter as a user's session would."""
        return adapter_for(self.url + ACCOUNT, "object-store")

    # What tests set up and look at

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

    # Behind the handler

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
