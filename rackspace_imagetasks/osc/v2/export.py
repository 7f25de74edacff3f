# SPDX-License-Identifier: Apache-2.0
"""`openstack image task export`."""

import argparse
import contextlib
import typing

from rackspace_imagetasks.i18n import _
from rackspace_imagetasks.osc import command as common
from rackspace_imagetasks.osc import options

if typing.TYPE_CHECKING:
    from rackspace_imagetasks.imagetasks import ImageTasks
    from rackspace_imagetasks.jobs.exports import ExportResult

_THEN_SAVES = "The same command again follows it too, and then saves the VHD."


class ExportImage(common.SavingCommand):
    titles = ("Image", "Name", "Task", "Status", "Location", "Size")
    _description = _(
        "Export images of this project as VHDs into a container.\n\n"
        "What the service would refuse is said before anything is sent. Without --wait the task"
        " goes on in the cloud; follow it with `openstack image task wait <task>`."
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the arguments."""
        parser = super().get_parser(prog_name)
        options.add_image_arguments(parser, _("Image to export (name or ID; repeat for several)"))
        parser.add_argument(
            "--container",
            metavar="<container>",
            help=_("Container to export to (default: image-exports, created if absent)"),
        )
        parser.add_argument(
            "--create-container",
            action="store_true",
            help=_("Create the container named by --container if it is absent"),
        )
        options.add_wait_options(parser)
        options.add_save_options(parser, required=False)
        options.add_transfer_options(parser)
        options.add_concurrency_option(parser)
        options.add_dry_run_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> common.Table:
        """Export."""
        _check_options(parsed_args)
        with self.image_tasks(parsed_args) as tasks:
            images = options.images_of(tasks, parsed_args)
            options.check_save_options(parsed_args, images)
            results = self.run_each(
                images,
                lambda image: self._export(tasks, image, parsed_args),
                parsed_args.concurrency,
            )
        return self.titles, [_row(result) for result in results]

    def _export(
        self, tasks: "ImageTasks", image: str, parsed_args: argparse.Namespace
    ) -> "ExportResult":
        from rackspace_imagetasks.exceptions import TaskTimeout
        from rackspace_imagetasks.jobs.resumable import hinting

        plan = tasks.plan_export(
            image,
            container=parsed_args.container,
            create_container=parsed_args.create_container,
            reuse=bool(parsed_args.file),
        )
        self.warn(plan.warnings)
        if parsed_args.file not in (None, options.STDOUT):
            tasks.check_target(plan.location, parsed_args.file, overwrite=parsed_args.overwrite)
        if parsed_args.dry_run:
            return plan.preview()
        if not parsed_args.wait:
            return tasks.start_export(plan)
        try:
            with hinting(_THEN_SAVES) if parsed_args.file else contextlib.nullcontext():
                result = tasks.export_image(plan, timeout=options.timeout_of(parsed_args))
        except TaskTimeout as error:
            return self.goes_on(error, plan.result(error.task_id, "processing"))
        if parsed_args.file:
            self.save(tasks, plan.location, parsed_args)
        return result


def _check_options(parsed_args: argparse.Namespace) -> None:
    """Refuse options that would have no effect.

    :raises Refused: with all of them.
    """
    from rackspace_imagetasks.exceptions import Refused

    problems = []
    if parsed_args.file and not parsed_args.wait:
        problems.append("--file needs the end of the export; add --wait.")
    for name in ("overwrite", "no_validate", "delete_object"):
        if getattr(parsed_args, name) and not parsed_args.file:
            option = "--" + name.replace("_", "-")
            problems.append(f"{option} is about a saved file; add --file.")
    if problems:
        raise Refused(*problems)


def _row(result: "ExportResult") -> tuple[object, ...]:
    return (
        result.image_id,
        common.TextColumn(result.image_name),
        common.TextColumn(result.task_id),
        common.TextColumn(result.status),
        common.TextColumn(result.location),
        common.SizeColumn(result.size),
    )
