# SPDX-License-Identifier: Apache-2.0
"""`openstack image task wait`."""

import argparse
import typing

from rackspace_imagetasks.i18n import _
from rackspace_imagetasks.osc import columns, options, rows
from rackspace_imagetasks.osc import command as common
from rackspace_imagetasks.osc.events import add_events_option

if typing.TYPE_CHECKING:
    from collections.abc import Sequence

    from rackspace_imagetasks.exceptions import ImageTasksError
    from rackspace_imagetasks.glance.task import Task
    from rackspace_imagetasks.imagetasks import ImageTasks
    from rackspace_imagetasks.messages import Message


class WaitTask(common.ImageTaskCommand):
    titles = ("Task", "Type", "Status", "Result", "Message", "Reason")
    default_table: typing.ClassVar = {"Task": 36, "Status": 10, "Result": 40}
    _description = _("Wait for image tasks to finish; exit with 1 if any of them failed")
    usage = ("[options] <task>...",)
    examples = (
        (
            _("Wait for a task:"),
            "openstack image task wait 55367f47-c184-49b2-81b4-9c0c5141d67f",
        ),
        (
            _("Stop waiting after ten minutes:"),
            "openstack image task wait 55367f47-c184-49b2-81b4-9c0c5141d67f --timeout 600",
        ),
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "task",
            metavar="<task>",
            type=options.not_empty,
            nargs="+",
            help=_("Task to wait for (ID; repeat for several)"),
        )
        options.add_wait_options(parser, always=True)
        add_events_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> common.Table:
        """Wait."""
        with self.image_tasks(parsed_args) as tasks:
            task_ids = list(dict.fromkeys(parsed_args.task))
            known, error = self._wait(tasks, task_ids, parsed_args.timeout)
            failures: dict[str, Sequence[Message]] = {
                task.id: tasks.failure_of(task).messages
                for task in known.values()
                if task.ended and task.status != "success"
            }
            self.report(message for messages in failures.values() for message in messages)
            self.report(error.messages if error else ())
            reported = [
                each for each in dict.fromkeys((*task_ids, *known)) if each in known or error
            ]
            for task_id in reported:
                if error and not (task_id in known and known[task_id].ended):
                    failures[task_id] = _about(task_id, error.messages)
        return self.titles, [
            rows.row(self.titles, _cells(task_id, known.get(task_id), failures.get(task_id, ())))
            for task_id in reported
        ]

    def _wait(
        self, tasks: "ImageTasks", task_ids: "Sequence[str]", timeout: float | None
    ) -> "tuple[dict[str, Task], ImageTasksError | None]":
        """Return the tasks as they were seen last, and why some of them did not end.

        :raises ImageTasksError: if there is a single task, which did not end.
        """
        from rackspace_imagetasks.exceptions import Cancelled, ImageTasksError

        known: dict[str, Task] = {}

        def note(task: "Task") -> None:
            known[task.id] = task

        if self._progress:
            self._progress.expect(len(task_ids))
        try:
            for task in tasks.wait(task_ids, timeout=timeout, on_status=note):
                known[task.id] = task
        except Cancelled:
            raise
        except ImageTasksError as error:
            if len(task_ids) == 1:
                raise
            return known, error
        return known, None


def _about(task_id: str, messages: "Sequence[Message]") -> "Sequence[Message]":
    """Return the messages that name a task, or all if none does."""
    return [message for message in messages if task_id in message.text] or messages


def _cells(task_id: str, task: "Task | None", reason: "Sequence[Message]") -> dict[str, object]:
    from rackspace_imagetasks.osc.hints import worded

    cells: dict[str, object] = {"Task": task_id, "Status": rows.FAILED}
    if task is not None:
        cells |= {
            "Type": task.type,
            "Status": task.status,
            "Result": task.result.get("image_id") or task.result.get("export_location"),
            "Message": task.message,
        }
    return cells | {"Reason": columns.DetailColumn("\n".join(map(worded, reason)) or None)}
