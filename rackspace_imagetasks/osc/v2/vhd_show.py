# SPDX-License-Identifier: Apache-2.0
"""`openstack image vhd show`."""

import argparse
import typing

from osc_lib.cli import format_columns

from rackspace_imagetasks.i18n import _
from rackspace_imagetasks.osc import columns, local, options
from rackspace_imagetasks.osc import command as common

if typing.TYPE_CHECKING:
    from rackspace_imagetasks.formats.vhd import VhdFacts


FIELDS = (
    *("block_size", "blocks_allocated", "blocks_total", "created_at", "creator"),
    *("creator_version", "geometry", "grows", "grows_reason", "kind", "physical_size"),
    *("uuid", "virtual_size"),
)
"""The names of the fields of a VHD."""


class ShowVhd(local.LocalCommand, common.ShowCommand):
    path_arguments = ("file",)
    titles = ("file", *FIELDS)
    _description = _(
        "Show the properties of a VHD file, and whether XenServer can resize its disk.\n\n"
        "Works without a cloud. Run `openstack image vhd validate` to see all errors."
    )
    usage = ("[options] <file>",)
    examples = (
        (
            _("Show the properties of a VHD:"),
            "openstack image vhd show web.vhd",
        ),
        (
            _("Print the size of its disk in bytes:"),
            "openstack image vhd show web.vhd -f value -c virtual_size",
        ),
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the argument."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "file", metavar="<file>", type=options.file_name, help=_("VHD file to show")
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], tuple[object, ...]]:
        """Show."""
        from rackspace_imagetasks.bytesource import FileSource
        from rackspace_imagetasks.exceptions import VhdError
        from rackspace_imagetasks.formats import vhd
        from rackspace_imagetasks.messages import Hint, Message

        with FileSource(parsed_args.file) as source:
            report = vhd.check(source)
        if report.facts is None:
            raise VhdError(f"'{report.name}' is not a VHD: {report.errors[0].detail}")
        if report.errors:
            text = f"'{report.name}' would be refused by the import service."
            self.warn([Message(text, Hint.VALIDATE_VHD)])
        shown = fields({"file": parsed_args.file}, report.facts)
        return tuple(shown), tuple(shown.values())


def fields(others: "dict[str, object]", facts: "VhdFacts") -> "dict[str, object]":
    """Return the fields of a VHD, and others, by name in alphabetical order."""
    shown = others | {
        "block_size": columns.SizeColumn(facts.block_size),
        "blocks_allocated": facts.blocks_allocated,
        "blocks_total": facts.blocks_total,
        "created_at": facts.timestamp.isoformat(),
        "creator": facts.creator,
        "creator_version": facts.creator_version,
        "geometry": format_columns.DictColumn(facts.geometry._asdict()),
        "grows": facts.grows,
        "grows_reason": facts.grows_reason,
        "kind": facts.kind,
        "physical_size": columns.SizeColumn(facts.physical_size),
        "uuid": str(facts.uuid),
        "virtual_size": columns.SizeColumn(facts.virtual_size),
    }
    return dict(sorted(shown.items()))
