# SPDX-License-Identifier: Apache-2.0
"""`openstack image task clean`."""

import argparse
import typing
from datetime import timedelta

from rackspace_imagetasks.i18n import _
from rackspace_imagetasks.osc import columns
from rackspace_imagetasks.osc import command as common
from rackspace_imagetasks.osc.events import add_events_option

if typing.TYPE_CHECKING:
    from rackspace_imagetasks.jobs.cleanup import CleanResult


class CleanObjects(common.ImageTaskCommand):
    titles = ("Container", "Object", "Kind", "Size", "Last Modified", "Status", "Reason")
    default_table: typing.ClassVar = {"Container": 14, "Object": 40, "Size": 10, "Status": 23}
    _description = _(
        "List what imports, exports and transfers left behind; with --delete, delete it.\n\n"
        "The list shows staged objects, segments without a manifest, and exports that were only"
        " partly deleted. Objects with the status 'unneeded' are deleted with --delete; objects"
        " with the status 'recent', 'in use' or 'needed by task <id>' are kept. An object is in use"
        " if anything of it was written in the last 15 minutes. Complete exports, objects that"
        " were kept on request, and objects with other names are never listed."
    )
    usage = ("[options]",)
    examples = (
        (
            _("List the objects, and delete nothing:"),
            "openstack image task clean",
        ),
        (
            _("Delete unneeded objects that are older than two days:"),
            "openstack image task clean --older-than 48 --delete",
        ),
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--container",
            metavar="<container>",
            help=_(
                "Container to search (default: image-imports, image-exports and the containers of"
                " all transfers)"
            ),
        )
        parser.add_argument(
            "--older-than",
            metavar="<hours>",
            type=_hours,
            default=24.0,
            help=_("Keep objects written in the last <hours> (default: 24)"),
        )
        action = parser.add_mutually_exclusive_group()
        action.add_argument(
            "--dry-run", action="store_true", help=_("List objects and delete nothing (default)")
        )
        action.add_argument("--delete", action="store_true", help=_("Delete unneeded objects"))
        add_events_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> common.Table:
        """List, or delete."""
        with self.image_tasks(parsed_args) as tasks:
            plan = tasks.plan_clean(
                parsed_args.container, older_than=timedelta(hours=parsed_args.older_than)
            )
            results = list(plan.run()) if parsed_args.delete else plan.preview()
            for result in results:
                if result.error:
                    self.report(result.error.messages)
        return self.titles, [_row(result) for result in results]


def _hours(text: str) -> float:
    """Parse a number of hours, 0 or more, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < 1_000_000:
        raise argparse.ArgumentTypeError(
            _("'%s' is not a number of hours, such as 48 for 2 days") % text
        )
    return value


def _row(result: "CleanResult") -> tuple[object, ...]:
    from rackspace_imagetasks.osc.hints import worded_error

    orphan = result.orphan
    return (
        orphan.object.container,
        orphan.object.name,
        orphan.kind,
        columns.SizeColumn(orphan.size),
        orphan.last_modified.isoformat(timespec="seconds"),
        result.status,
        columns.DetailColumn(worded_error(result.error) if result.error else None),
    )
