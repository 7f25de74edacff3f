# SPDX-License-Identifier: Apache-2.0
"""Every error this package raises on purpose; its messages are sentences a user can act on.

ImageTasksError
├── Refused                   input that policy or the service would refuse; nothing was sent
├── NotFound                  an image, task, container, object, cloud, region or service
├── AccessDenied              401 or 403: who you are, or what your role allows
├── SourceError               a local file cannot be read as asked
│   └── SourceChanged         it changed while it was being read
├── VhdError                  bytes that the VHD format does not allow
├── TargetError               a local file cannot be written as asked
├── TransferError             objects could not be moved; a second run resumes
│   ├── ServiceError          the service's final answer, after the retries it deserves
│   ├── QuotaExceeded         413 or 507: the account is full
│   └── IntegrityError        what arrived is not what was sent
├── Cancelled                 stopped on request; a second run resumes
└── TaskError                 a Glance task did not end well
    ├── TaskFailed            it ended in `failure`
    └── TaskTimeout           it was still running when the wait timed out
"""

import logging

from rackspace_imagetasks.messages import Message

LOG = logging.getLogger(__name__)


class ImageTasksError(Exception):
    """Any error of this package.

    :param messages: what is wrong, the most severe first.
    :ivar messages: the same, each with its hint; `str()` of the error has a line for each.
    """

    def __init__(self, *messages: str | Message) -> None:
        self.messages = tuple(map(Message.of, messages))
        super().__init__("\n".join(map(str, self.messages)))

    def add(self, message: str | Message) -> None:
        """Add a message, such as what a failed job leaves behind."""
        self.messages += (Message.of(message),)
        self.args = ("\n".join(map(str, self.messages)),)

    @property
    def text(self) -> str:
        """What is wrong, without hints: for a message that quotes this error and has its own."""
        return " ".join(message.text for message in self.messages)


class Refused(ImageTasksError):
    """Input that policy or the service would refuse; nothing was sent."""


class NotFound(ImageTasksError):
    """An image, task, container, object, cloud, region or service does not exist."""


class AccessDenied(ImageTasksError):
    """The service does not know the caller, or does not allow the request."""


class SourceError(ImageTasksError):
    """A local file or disk cannot be read as asked."""


class SourceChanged(SourceError):
    """A local file changed while it was being read."""


class VhdError(ImageTasksError):
    """Bytes that the VHD format does not allow."""


class TargetError(ImageTasksError):
    """A local file cannot be written as asked."""


class TransferError(ImageTasksError):
    """Objects could not be transferred; what arrived is kept, and a second run resumes."""


class ServiceError(TransferError):
    """The final answer of a service, after all retries.

    :ivar status: the HTTP status, or None if there was no response.
    """

    def __init__(self, *messages: str | Message, status: int | None = None) -> None:
        self.status = status
        super().__init__(*messages)


class QuotaExceeded(TransferError):
    """The account, the container or a disk is full, or too many tasks run (413, 507)."""


class IntegrityError(TransferError):
    """What arrived is not what was sent: a size, an MD5 or a segment differs."""


class Cancelled(ImageTasksError):
    """Stopped on request, with everything that arrived left in place.

    :ivar kept: bytes that a second run does not have to transfer; None if there are none to
        transfer.
    :ivar total: bytes to transfer in all.
    """

    def __init__(
        self, *messages: str | Message, kept: int | None = None, total: int | None = None
    ) -> None:
        self.kept = kept
        self.total = total
        super().__init__(*messages)


class TaskError(ImageTasksError):
    """A Glance task did not succeed.

    :ivar task_id: the task's ID; IDs separated by spaces if several tasks were waited for.
    """

    def __init__(self, *messages: str | Message, task_id: str) -> None:
        self.task_id = task_id
        super().__init__(*messages)


class TaskFailed(TaskError):
    """The task ended in `failure`.

    :ivar code: the service's failure code (396, 413, ...), or None if it gave none.
    """

    def __init__(self, *messages: str | Message, task_id: str, code: int | None = None) -> None:
        self.code = code
        super().__init__(*messages, task_id=task_id)


class TaskTimeout(TaskError):
    """The task still runs, but the time allowed for waiting has passed.

    :ivar result: what is known of the job so far, as the plan's `preview()` would return it; None
        if the task was not started by a plan.
    """

    def __init__(self, *messages: str | Message, task_id: str, result: object = None) -> None:
        self.result = result
        super().__init__(*messages, task_id=task_id)


def reportable(error: Exception) -> ImageTasksError:
    """Return an error as it is, or the one that reports an exception of any other kind."""
    if isinstance(error, ImageTasksError):
        return error
    LOG.debug("Unexpected error", exc_info=error)
    reported = ImageTasksError(f"Unexpected error: {type(error).__name__}: {error}")
    reported.__cause__ = error
    return reported
