# SPDX-License-Identifier: Apache-2.0
"""`openstack image task clean`."""

import argparse
import typing
from datetime import timedelta

from osc_lib.command import command

from rackspace_imagetasks.i18n import _
from rackspace_imagetasks.osc import command as common

if typing.TYPE_CHECKING:
    from rackspace_imagetasks.jobs.cleanup import CleanResult


class CleanObjects(common.ImageTaskCommand, command.Lister):
    titles = ("Container", "Object", "Kind", "Size", "Last Modified", "Status")
    _description = _(
        "List what imports, exports and transfers left behind; with --delete, delete it.\n\n"
        "Staged objects, segments without a manifest and exports that were deleted in part are"
        " listed: 'unneeded' are those that --delete deletes, 'recent' and 'needed by task <id>'"
        " stay. Exports, what was kept on purpose and objects of other names are never listed."
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--container",
            metavar="<container>",
            help=_(
                "Container to look in (default: image-imports, image-exports and those of all"
                " transfers)"
            ),
        )
        parser.add_argument(
            "--older-than",
            metavar="<hours>",
            type=_hours,
            default=24.0,
            help=_("Leave what was written in the last <hours> (default: 24)"),
        )
        action = parser.add_mutually_exclusive_group()
        action.add_argument(
            "--dry-run", action="store_true", help=_("List, and delete nothing (default)")
        )
        action.add_argument("--delete", action="store_true", help=_("Delete what is unneeded"))
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> common.Table:
        """List, or delete."""
        with self.image_tasks(parsed_args) as tasks:
            found = tasks.find_orphans(
                parsed_args.container, older_than=timedelta(hours=parsed_args.older_than)
            )
            if parsed_args.delete:
                found = list(tasks.clean(found))
                self.fail_with(each.error for each in found if each.error)
        return self.titles, [_row(each) for each in found]


def _hours(text: str) -> float:
    """Read a number of hours, 0 or more, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < 1_000_000:
        raise argparse.ArgumentTypeError(_("'%s' is not a number of hours") % text)
    return value


def _row(each: "CleanResult") -> tuple[object, ...]:
    orphan = each.orphan
    return (
        common.TextColumn(orphan.object.container),
        common.TextColumn(orphan.object.name),
        orphan.kind,
        common.SizeColumn(orphan.size),
        orphan.last_modified.isoformat(timespec="seconds"),
        common.TextColumn(each.status),
    )
