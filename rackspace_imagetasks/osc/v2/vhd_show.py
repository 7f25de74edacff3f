# SPDX-License-Identifier: Apache-2.0
"""`openstack image vhd show`."""

import argparse
import logging
import typing

from osc_lib.cli import format_columns
from osc_lib.command import command

from rackspace_imagetasks.i18n import _
from rackspace_imagetasks.osc import command as common
from rackspace_imagetasks.osc import local

if typing.TYPE_CHECKING:
    from rackspace_imagetasks.formats.vhd import VhdFacts

LOG = logging.getLogger(__name__)


class ShowVhd(local.LocalCommand, command.ShowOne):
    _description = _(
        "Show what a VHD file is, and whether XenServer can grow its disk.\n\n"
        "Needs no cloud. Use `openstack image vhd validate` to see everything that is wrong."
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the argument."""
        parser = super().get_parser(prog_name)
        parser.add_argument("file", metavar="<file>", help=_("VHD file to show"))
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], tuple[object, ...]]:
        """Show."""
        from rackspace_imagetasks.bytesource import FileSource
        from rackspace_imagetasks.exceptions import VhdError
        from rackspace_imagetasks.formats import vhd
        from rackspace_imagetasks.messages import Message

        with FileSource(parsed_args.file) as source:
            report = vhd.check(source)
        if report.facts is None:
            raise VhdError(f"'{report.name}' is not a VHD: {report.errors[0].detail}")
        if report.errors:
            LOG.warning(
                _("'%s' would not be imported; `openstack image vhd validate` says why."),
                Message(report.name),
            )
        shown = fields({"file": common.TextColumn(parsed_args.file)}, report.facts)
        return tuple(shown), tuple(shown.values())


def fields(others: "dict[str, object]", facts: "VhdFacts") -> "dict[str, object]":
    """Return a VHD's facts and other fields, by name, in alphabetical order."""
    shown = others | {
        "block_size": common.SizeColumn(facts.block_size),
        "blocks_allocated": facts.blocks_allocated,
        "blocks_total": facts.blocks_total,
        "created_at": facts.timestamp.isoformat(),
        "creator": common.TextColumn(facts.creator),
        "creator_version": facts.creator_version,
        "geometry": format_columns.DictColumn(facts.geometry._asdict()),
        "grows": facts.grows,
        "grows_reason": common.TextColumn(facts.grows_reason),
        "kind": facts.kind,
        "physical_size": common.SizeColumn(facts.physical_size),
        "uuid": str(facts.uuid),
        "virtual_size": common.SizeColumn(facts.virtual_size),
    }
    return dict(sorted(shown.items()))
