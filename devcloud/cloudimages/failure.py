# SPDX-License-Identifier: Apache-2.0
class TaskFailed(Exception):
    """A task failed; the text becomes the message of the task."""
