# SPDX-License-Identifier: Apache-2.0
"""`openstack image task export`."""

import argparse
import typing

from rackspace_imagetasks.i18n import _
from rackspace_imagetasks.osc import columns, options, parsers, rows
from rackspace_imagetasks.osc import command as common
from rackspace_imagetasks.osc.events import add_events_option

if typing.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rackspace_imagetasks.imagetasks import ImageTasks
    from rackspace_imagetasks.jobs.exports import ExportResult


class ExportImage(common.ImageTaskCommand):
    path_arguments = ("file",)
    data_argument = "file"
    titles = ("Image", "Name", "Task", "Status", "Location", "Size", "Reason")
    default_table: typing.ClassVar = {"Name": 20, "Status": 15, "Location": 54}
    _description = _(
        "Export images of this project as VHDs into a container, or save them to files.\n\n"
        "Everything that the service would refuse is reported before anything is sent. Without"
        " --wait, the task continues in the cloud; run `openstack image task wait <task>` to follow"
        " it. A cloud without image tasks has no exports; there, --wait --file saves the data of an"
        " image."
    )
    usage = ("[options] <image>...", "[options] --property <key=value>")
    examples = (
        (
            _("Export an image to a container, and wait for the VHD:"),
            "openstack image task export web --container backups --wait",
        ),
        (
            _("Save an image to a file, as qcow2:"),
            "openstack image task export web --wait --file web.qcow2",
        ),
        (
            _("Save all images that have a property to a directory:"),
            "openstack image task export --property role=web --wait --file backups/",
        ),
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the arguments."""
        parser = super().get_parser(prog_name)
        options.add_image_arguments(parser, _("Image to export (name or ID; repeat for several)"))
        containers = parser.add_argument_group(parsers.CONTAINER)
        containers.add_argument(
            "--container",
            metavar="<container>",
            help=_("Container to export to (default: image-exports, created if it does not exist)"),
        )
        containers.add_argument(
            "--create-container",
            action="store_true",
            help=_("Create the container named by --container if it does not exist"),
        )
        options.add_inspect_option(parser)
        options.add_wait_options(parser)
        options.add_save_options(parser, required=False)
        options.add_transfer_options(parser)
        options.add_concurrency_option(parser)
        options.add_dry_run_option(parser)
        add_events_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> common.Table:
        """Export."""
        options.check_image_arguments(parsed_args)
        _check_options(parsed_args)
        with self.image_tasks(parsed_args) as tasks:
            images = options.images_of(tasks, parsed_args)
            options.check_save_options(parsed_args, images)
            outcomes = self.run_batch(
                images,
                lambda image: self._export(tasks, image, parsed_args),
                parsed_args.concurrency,
            )
        return self.titles, rows.of_batch(self.titles, outcomes, options.image_cells, _cells)

    def table_of(self, rows: "Sequence[Mapping[str, object]]") -> "Mapping[str, int]":
        """Return the columns, with the tasks while VHDs are missing."""
        is_running = any(row["Task"] and row["Size"] is None for row in rows)
        return {"Name": 30, "Status": 15, "Task": 36} if is_running else self.default_table

    def _export(
        self, tasks: "ImageTasks", image: str, parsed_args: argparse.Namespace
    ) -> "ExportResult":
        plan = tasks.plan_export(
            image,
            container=parsed_args.container,
            create_container=parsed_args.create_container,
            save=options.save_options(parsed_args, self.app.stdout) if parsed_args.file else None,
            inspect=not parsed_args.no_inspect,
        )
        self.warn(plan.warnings)
        if parsed_args.dry_run:
            return plan.preview()
        if not parsed_args.wait:
            return plan.start()
        return plan.run(timeout=parsed_args.timeout, transfer=options.transfer_options(parsed_args))


def _check_options(parsed_args: argparse.Namespace) -> None:
    """Refuse options that would have no effect.

    :raises UsageError: with all of them.
    """
    from rackspace_imagetasks.osc.usage import UsageError

    problems = [*options.wait_problems(parsed_args)]
    if parsed_args.file and not parsed_args.wait:
        problems.append("--file requires --wait, because only a finished export can be saved.")
    for name in ("disk_format", "overwrite", "no_validate", "delete_object"):
        if getattr(parsed_args, name) and not parsed_args.file:
            option = "--" + name.replace("_", "-")
            problems.append(f"{option} applies to a saved file; add --file.")
    if problems:
        raise UsageError(*problems)


def _cells(result: "ExportResult") -> dict[str, object]:
    return {
        "Image": result.image_id,
        "Name": result.image_name,
        "Task": result.task_id,
        "Status": result.status,
        "Location": result.location,
        "Size": columns.SizeColumn(result.size),
    }
