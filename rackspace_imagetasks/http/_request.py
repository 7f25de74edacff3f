# SPDX-License-Identifier: Apache-2.0
"""A request, and the failures after which it may be sent again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from rackspace_imagetasks.exceptions import ImageTasksError
from rackspace_imagetasks.http._waits import Wait


class RequestBody(Protocol):
    """A body that is sent in chunks; each iteration starts anew, for a request sent again."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[memoryview]: ...


@dataclass(frozen=True)
class Request:
    """A request, and how its response is treated.

    :ivar action: what is done, to complete "Cannot ...".
    :ivar accept: statuses from 300 that the caller handles.
    :ivar probe: a path to request with HEAD if the connection breaks while the body is sent.
    :ivar once: whether it is not idempotent.
    :ivar streamed: whether the response is read as it arrives.
    """

    method: str
    path: str
    action: str
    body: RequestBody | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    accept: frozenset[int] = frozenset()
    probe: str | None = None
    once: bool = False
    streamed: bool = False

    @property
    def uploads(self) -> bool:
        """Whether the body is data that is sent in chunks."""
        return self.body is not None and not isinstance(self.body, bytes)


class WatchedBody:
    """A body that tells a wait whether its data is missing, or the service that takes it."""

    def __init__(self, body: RequestBody, wait: Wait, response: str) -> None:
        self._body = body
        self._wait = wait
        self._response = response

    def __len__(self) -> int:
        return len(self._body)

    def __iter__(self) -> Iterator[memoryview]:
        self._wait.restart("data")
        for chunk in self._body:
            self._wait.restart(self._response)
            yield chunk
            self._wait.restart("data")
        self._wait.restart(self._response)


class TransientError(Exception):
    """A failure that may not occur again.

    :ivar endpoint: the URL of the service, if it could not be reached.
    """

    def __init__(
        self,
        failure: ImageTasksError,
        retry_after: str | None = None,
        *,
        endpoint: str = "",
    ) -> None:
        self.failure = failure
        self.retry_after = retry_after
        self.endpoint = endpoint
        super().__init__(str(failure))


class RefusedTokenError(Exception):
    """The service does not accept the token."""

    def __init__(self, failure: ImageTasksError, token: str | None) -> None:
        self.failure = failure
        self.token = token
        super().__init__(str(failure))


class LoginFailedError(Exception):
    """There is no token, so nothing was sent to the service.

    :ivar error: the failure of the request for a token.
    """

    def __init__(self, error: Exception) -> None:
        self.error = error
        super().__init__(str(error))
