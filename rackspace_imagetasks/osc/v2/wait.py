# SPDX-License-Identifier: Apache-2.0
"""`openstack image task wait`."""

import argparse
import typing

from rackspace_imagetasks.i18n import _
from rackspace_imagetasks.osc import command as common
from rackspace_imagetasks.osc import options
from rackspace_imagetasks.osc.events import add_events_option

if typing.TYPE_CHECKING:
    from rackspace_imagetasks.glance.task import Task
    from rackspace_imagetasks.imagetasks import ImageTasks
    from rackspace_imagetasks.progress import TaskStatus


class WaitTask(common.ImageTaskCommand):
    titles = ("Task", "Type", "Status", "Result", "Message")
    _description = _("Wait for image tasks to finish; exit with 1 if any of them failed")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "task",
            metavar="<task>",
            nargs="+",
            help=_("Task to wait for (ID; repeat for several)"),
        )
        parser.add_argument(
            "--timeout",
            metavar="<seconds>",
            type=options.seconds,
            help=_("Stop waiting after <seconds>; the tasks continue (default: no limit)"),
        )
        options.add_poll_option(parser)
        add_events_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> common.Table:
        """Wait."""
        with self.image_tasks(parsed_args) as tasks:
            ended = self._wait(tasks, parsed_args)
            for task in ended:
                if task.status != "success":
                    self.report(tasks.failure_of(task).messages)
        return self.titles, [_row(task) for task in ended]

    def _wait(self, tasks: "ImageTasks", parsed_args: argparse.Namespace) -> "list[Task]":
        """Return the tasks that ended; report what is wrong with the others."""
        from rackspace_imagetasks.exceptions import Cancelled, ImageTasksError
        from rackspace_imagetasks.progress import PhaseKind, PhaseTitle

        ended: list[Task] = []
        try:
            with tasks.cloud.progress.phase(PhaseTitle(PhaseKind.WAIT, _("Waiting"))) as phase:
                ended.extend(
                    tasks.wait(
                        parsed_args.task,
                        timeout=parsed_args.timeout,
                        on_status=lambda task: phase.note(_status(task)),
                    )
                )
        except Cancelled:
            raise
        except ImageTasksError as error:
            if not ended:
                raise
            self.report(error.messages)
        return ended


def _status(task: "Task") -> "TaskStatus":
    from rackspace_imagetasks.progress import TaskStatus

    return TaskStatus(f"{task.type} task {task.id} {task.status}", task.id, task.status)


def _row(task: "Task") -> tuple[object, ...]:
    result = task.result.get("image_id") or task.result.get("export_location")
    return (
        task.id,
        task.type,
        task.status,
        result,
        task.message,
    )
