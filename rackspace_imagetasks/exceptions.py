# SPDX-License-Identifier: Apache-2.0
"""Every error this package raises on purpose; each message is one sentence a user can act on.

ImageTasksError
├── Refused                   input that policy or the service would refuse; nothing was sent
├── NotFound                  an image, task, container, object, cloud, region or service
├── AccessDenied              401 or 403: who you are, or what your role allows
├── SourceError               a local file cannot be read as asked
│   └── SourceChanged         it changed while it was being read
├── VhdError                  bytes that the VHD format does not allow
├── TargetError               a local file cannot be written as asked
├── TransferError             objects could not be moved; running the command again goes on
│   ├── ServiceError          the service's final answer, after the retries it deserves
│   ├── QuotaExceeded         413 or 507: the account is full
│   └── IntegrityError        what arrived is not what was sent
├── Cancelled                 stopped on request; running the command again goes on
└── TaskError                 a Glance task did not end well
    ├── TaskFailed            it ended in `failure`
    └── TaskTimeout           it goes on, but we stopped waiting
"""


class ImageTasksError(Exception):
    """Any error of this package."""


class Refused(ImageTasksError):
    """Input that policy or the service would refuse; nothing was sent.

    :ivar reasons: every reason found, a sentence each, the most severe first.
    """

    def __init__(self, *reasons: str) -> None:
        self.reasons = reasons
        super().__init__("\n".join(reasons))


class NotFound(ImageTasksError):
    """An image, task, container, object, cloud, region or service that is not there."""


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
    """Objects could not be moved; what arrived is kept, and the same command goes on."""


class ServiceError(TransferError):
    """A final answer of the service, after the retries that it deserves.

    :ivar status: the HTTP status, or None where no answer came.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class QuotaExceeded(TransferError):
    """The account, the container or a disk is full, or too many tasks run (413, 507)."""


class IntegrityError(TransferError):
    """What arrived is not what was sent: a size, an MD5 or a segment differs."""


class Cancelled(ImageTasksError):
    """Stopped on request, with everything that arrived left in place.

    :ivar kept: the bytes that the same again need not move, of `total`; None where none were to be
        moved.
    """

    def __init__(self, message: str, kept: int | None = None, total: int | None = None) -> None:
        self.kept = kept
        self.total = total
        super().__init__(message)


class TaskError(ImageTasksError):
    """A Glance task did not end well.

    :ivar task_id: the task's ID; several, with spaces between, where several were waited for.
    """

    def __init__(self, message: str, task_id: str) -> None:
        self.task_id = task_id
        super().__init__(message)


class TaskFailed(TaskError):
    """The task ended in `failure`.

    :ivar code: the service's failure code (396, 413, ...), or None where it gave none.
    """

    def __init__(self, message: str, task_id: str, code: int | None = None) -> None:
        self.code = code
        super().__init__(message, task_id)


class TaskTimeout(TaskError):
    """The task goes on, but the time allowed for waiting is over."""
