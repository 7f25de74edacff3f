# SPDX-License-Identifier: Apache-2.0
"""`openstack image task save`."""

import argparse
import typing

from rackspace_imagetasks.i18n import _
from rackspace_imagetasks.osc import columns, options, rows
from rackspace_imagetasks.osc import command as common
from rackspace_imagetasks.osc.events import add_events_option

if typing.TYPE_CHECKING:
    from rackspace_imagetasks.imagetasks import ImageTasks
    from rackspace_imagetasks.jobs.saves import SaveResult


class SaveExport(common.ImageTaskCommand):
    path_arguments = ("file",)
    data_argument = "file"
    titles = ("Location", "File", "Status", "Size", "Fetched", "Export", "Reason")
    default_table: typing.ClassVar = {"Export": 40, "File": 36, "Status": 13}
    _description = _(
        "Save exported VHDs to local files, as VHD, qcow2 or raw.\n\n"
        "The MD5 of each segment is verified, and the VHD is checked, before a file gets its name."
        " Another format is written while the segments are received, without a second copy. If the"
        " command is run again, it fetches only what is missing, and accepts a VHD that is"
        " complete."
    )
    usage = ("[options] --file <file> <export>...",)
    examples = (
        (
            _("Save an exported VHD to a file:"),
            "openstack image task save image-exports/web.vhd --file web.vhd",
        ),
        (
            _("Save an exported VHD as qcow2, and delete the object:"),
            "openstack image task save backups/web.vhd --file web.qcow2 --delete-object",
        ),
        (
            _("Write an exported VHD to standard output:"),
            "openstack image task save backups/web.vhd --file - | gzip > web.vhd.gz",
        ),
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "export",
            metavar="<export>",
            type=options.not_empty,
            nargs="+",
            help=_("Export task (ID) or <container>/<object> to save (repeat for several)"),
        )
        options.add_save_options(parser, required=True)
        options.add_transfer_options(parser)
        options.add_wait_options(parser, always=True)
        options.add_concurrency_option(parser)
        add_events_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> common.Table:
        """Save."""
        options.check_save_options(parsed_args, parsed_args.export)
        with self.image_tasks(parsed_args) as tasks:
            outcomes = self.run_batch(
                parsed_args.export,
                lambda export: self._save(tasks, export, parsed_args),
                parsed_args.concurrency,
            )
        return self.titles, rows.of_batch(
            self.titles, outcomes, lambda export: {"Export": export}, _cells
        )

    def _save(
        self, tasks: "ImageTasks", export: str, parsed_args: argparse.Namespace
    ) -> "SaveResult":
        plan = tasks.plan_save(export, options.save_options(parsed_args, self.app.stdout))
        self.warn(plan.warnings)
        return plan.run(timeout=parsed_args.timeout, transfer=options.transfer_options(parsed_args))


def _cells(result: "SaveResult") -> dict[str, object]:
    return {
        "Location": result.location,
        "File": result.path,
        "Status": result.status,
        "Size": columns.SizeColumn(result.size),
        "Fetched": columns.SizeColumn(result.fetched_bytes),
    }
