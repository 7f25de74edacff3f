# SPDX-License-Identifier: Apache-2.0
"""Show other processes, on any machine, that an object is in use.

While a long operation reads or writes an object, a marker beside the object is written again every
few minutes. Whoever cleans up sees the time of the last write. A marker changes nothing on the
object itself, and expires if its process is killed.
"""

import contextlib
import hashlib
import re
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator

from rackspace_imagetasks.exceptions import Cancelled, ImageTasksError
from rackspace_imagetasks.objects.names import ObjectName
from rackspace_imagetasks.objects.store import ObjectStore

_INTERVAL = 300.0  # seconds
_LIFETIME = 4 * _INTERVAL
_ATTEMPTS = 3
_MARKER = re.compile(r"(?P<object>.+)/in-use/[0-9a-f]{32}", re.DOTALL)


def marked_object(name: str) -> str | None:
    """Return the name of the object that a marker belongs to, or None for any other object."""
    match = _MARKER.fullmatch(name)
    return match["object"] if match else None


@contextlib.contextmanager
def in_use(
    store: ObjectStore,
    name: ObjectName,
    wait: Callable[[float], object] | None = None,
    user: str | None = None,
) -> Iterator[None]:
    """Keep a marker that an object is in use, as well as the service allows it.

    A service that refuses the marker does not end the operation: the caller may have no right to
    write. After a cancellation the marker is left to expire, because there is no time to delete it.

    :param wait: waits for a number of seconds between two writes of the marker.
    :param user: what uses the object, so that another run of the same replaces the marker of a run
        that was killed; None if it has no name.
    """
    store = store.with_attempts(_ATTEMPTS)
    marker = _marker(name, user)
    ended = threading.Event()
    _write(store, marker)
    thread = threading.Thread(
        target=_repeat, args=(store, marker, ended, wait or ended.wait), daemon=True
    )
    with contextlib.suppress(RuntimeError):  # no thread to spare
        thread.start()
    is_over = False
    try:
        yield
        is_over = True
    except Exception as error:
        is_over = not isinstance(error, Cancelled)
        raise
    finally:
        ended.set()
        if is_over:
            with contextlib.suppress(ImageTasksError):
                store.delete_object(marker)


def is_in_use(store: ObjectStore, name: ObjectName, besides: Iterable[str] = ()) -> bool:
    """Return whether an object has a marker that has not expired.

    :param besides: users whose markers do not count.
    """
    ignored = {_marker(name, user) for user in besides}
    listed = store.list_objects(name.container, _prefix(name), absent_is_empty=True)
    markers = {ObjectName(name.container, entry.name) for entry in listed} - ignored
    return any(store.head_object(marker) for marker in markers)  # expired ones may be listed


def _marker(name: ObjectName, user: str | None) -> ObjectName:
    unique = uuid.uuid4().hex if user is None else hashlib.sha256(user.encode()).hexdigest()[:32]
    return ObjectName(name.container, f"{_prefix(name)}{unique}")


def _prefix(name: ObjectName) -> str:
    return f"{name.name}/in-use/"


def _repeat(
    store: ObjectStore,
    marker: ObjectName,
    ended: threading.Event,
    wait: Callable[[float], object],
) -> None:
    while not ended.is_set():
        wait(_INTERVAL)
        if not ended.is_set():
            _write(store, marker)


def _write(store: ObjectStore, marker: ObjectName) -> None:
    with contextlib.suppress(ImageTasksError):
        store.put_object(marker, b"", headers={"X-Delete-After": f"{_LIFETIME:.0f}"})
