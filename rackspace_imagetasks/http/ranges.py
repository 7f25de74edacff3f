# SPDX-License-Identifier: Apache-2.0
"""Read a long answer that resumes at the byte that was reached when a connection breaks."""

from collections.abc import Callable, Iterator

from rackspace_imagetasks.exceptions import ServiceError
from rackspace_imagetasks.http._errors import BrokenAnswerError
from rackspace_imagetasks.http.answers import Stream
from rackspace_imagetasks.http.client import Client


def resumed_chunks(
    client: Client,
    action: str,
    open_at: Callable[[int], Stream],
    extent: tuple[int, int],
    chunk_size: int,
) -> Iterator[bytes]:
    """Yield exactly the bytes of an extent, in chunks.

    :param action: what is done, to complete "Cannot ...".
    :param open_at: opens an answer that continues at an offset; may raise `BrokenAnswerError`.
    :param extent: where to begin, and where to end.
    :raises ServiceError: if the connection breaks too often without having made progress.
    """
    offset, end = extent
    failures = 0
    while offset < end:
        try:
            with open_at(offset) as stream:
                for chunk in stream.chunks(end - offset, chunk_size):
                    offset += len(chunk)
                    failures = 0 if len(chunk) == chunk_size else failures
                    yield chunk
        except BrokenAnswerError as error:
            failures += 1
            problem = f"Cannot {action}: the connection to the {client.words.service} broke"
            if failures >= client.retry.attempts:
                raise ServiceError(f"{problem} {failures} times at byte {offset}.") from error
            client.pause(f"{problem} at byte {offset}.", failures)
