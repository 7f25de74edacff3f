# SPDX-License-Identifier: Apache-2.0
class TaskFailed(Exception):
    """The end of a task that did not succeed; its text becomes the task's message."""
