# SPDX-License-Identifier: Apache-2.0
"""Responses, read within limits of size and time, whatever the service sends."""

import contextlib
import json
import re
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import requests

from rackspace_imagetasks.exceptions import ServiceError
from rackspace_imagetasks.http._errors import BROKEN, BrokenAnswerError
from rackspace_imagetasks.text import format_size

_MOST_PAGES = 1000
_MOST_ITEMS = 1_000_000
_NETWORK_CHUNK = 16 * 1024
_DECODED_CHUNK = 1024**2

_SURROGATE = re.compile(rb"\\u[dD]|\xed[\xa0-\xbf]")  # perhaps one of a pair, which is harmless

Item = TypeVar("Item")


class _Origin(NamedTuple):
    """The request that a response belongs to."""

    service: str
    action: str

    def unusable(self, problem: str, status: int | None = None) -> ServiceError:
        return ServiceError(
            f"Cannot {self.action}: the response of the {self.service} {problem}.", status=status
        )


class Answer(NamedTuple):
    """A short response that was read to its end.

    :ivar service: the service that returned it.
    :ivar action: what was requested, to complete "Cannot ...".
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    service: str
    action: str

    def json(self) -> Any:  # noqa: ANN401
        """Return the JSON value of the response; what is not Unicode in its texts becomes `?`.

        :raises ServiceError: if the response is not JSON.
        """
        try:
            value = json.loads(self.content)
            if _SURROGATE.search(self.content):  # no URL and no file can contain it
                text = json.dumps(value, ensure_ascii=False)
                value = json.loads(text.encode(errors="replace"))
            return value
        except RecursionError as error:
            raise self.unusable("is JSON that is nested too deeply") from error
        except ValueError as error:
            start = self.content[:80].decode(errors="replace")
            raise self.unusable(f"is not JSON: {start}") from error

    def json_object(self) -> dict[str, Any]:
        """Return the JSON object of the response.

        :raises ServiceError: if it is anything else.
        """
        value = self.json()
        if not isinstance(value, dict):
            raise self.unusable("is not a JSON object")
        return value

    def unusable(self, problem: str) -> ServiceError:
        """Return the error for a response of the wrong shape.

        :param problem: what is wrong, to complete "the response ...", such as "is not a list".
        """
        return _Origin(self.service, self.action).unusable(problem, self.status)


class ListingLimits:
    """Ends a listing that repeats itself or is endless.

    :param pages: maximum number of pages.
    :param items: maximum number of items in all pages.
    """

    def __init__(self, pages: int = _MOST_PAGES, items: int = _MOST_ITEMS) -> None:
        self._most_pages = pages
        self._most_items = items
        self._markers: set[str] = set()
        self._items = 0

    def check(self, answer: Answer, items: int, marker: str) -> None:
        """Count a page.

        :param items: how many the page has.
        :param marker: where the next page is to begin.
        :raises ServiceError: if the listing repeats itself or is too long.
        """
        self._items += items
        if marker in self._markers:
            raise answer.unusable("repeats an earlier page")
        self._markers.add(marker)
        if len(self._markers) > self._most_pages or self._items > self._most_items:
            raise answer.unusable("is an endless listing")


class Stream:
    """A response whose body is read as it arrives. Close it.

    :param waiting: returns a context for waits, which it reports.
    :ivar status: its HTTP status.
    :ivar headers: its headers.
    """

    def __init__(
        self,
        response: requests.Response,
        waiting: Callable[[], contextlib.AbstractContextManager[object]],
    ) -> None:
        self._response = response
        self._waiting = waiting
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers

    def chunks(self, length: int, chunk_size: int) -> Iterator[bytes]:
        """Yield exactly `length` bytes of the body, in chunks.

        :raises BrokenAnswerError: if the connection breaks or the body ends before that.
        """
        while length > 0:
            try:
                with self._waiting():
                    chunk = self._response.raw.read(min(chunk_size, length), decode_content=False)
            except BROKEN as error:
                raise BrokenAnswerError(str(error)) from error
            if not chunk:
                raise BrokenAnswerError("the response ended early")
            length -= len(chunk)
            yield chunk

    def close(self) -> None:
        """Close the response, read to its end or not."""
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def read_short(
    response: requests.Response,
    service: str,
    action: str,
    *,
    timeout: float,
    size: int,
    clock: Callable[[], float] = time.monotonic,
) -> bytes:
    """Read a response to its end and close it.

    :param timeout: seconds for all of it.
    :param size: maximum number of bytes.
    :raises ServiceError: if it is too long or in an encoding that was not requested.
    :raises TimeoutError: if it is not complete in time.
    """
    origin = _Origin(service, action)
    content = bytearray()
    deadline = clock() + timeout
    with response:
        try:
            for chunk in _decoded(response, origin):
                content += chunk
                if len(content) > size:
                    raise origin.unusable(f"is longer than {format_size(size)}")
                if clock() > deadline:
                    raise TimeoutError(f"the response was not complete after {timeout:g} s")
        except BROKEN:
            if response.status_code < 300:
                raise
            return b""  # a refusal is one even if the reason given for it did not arrive
    return bytes(content)


def _decoded(response: requests.Response, origin: _Origin) -> Iterator[bytes]:
    """Yield the body, decompressed piece by piece: a short body may stand for any length."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        yield from _raw(response)
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise origin.unusable(f"uses the content encoding '{encoding}', which was not requested")
    decoder = zlib.decompressobj(wbits=47)  # 32 + 15: gzip or zlib, as its header says
    try:
        for chunk in _raw(response):
            rest = chunk
            while rest:
                yield decoder.decompress(rest, _DECODED_CHUNK)
                rest = decoder.unconsumed_tail
        yield decoder.flush()
    except zlib.error as error:
        raise origin.unusable("cannot be decompressed") from error
    if not decoder.eof:
        raise origin.unusable("cannot be decompressed: it ends early")


def _raw(response: requests.Response) -> Iterator[bytes]:
    """Yield the body as it arrives: `read` would wait until a chunk is full."""
    while chunk := response.raw.read1(_NETWORK_CHUNK, decode_content=False):
        yield chunk
