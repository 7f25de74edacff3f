# SPDX-License-Identifier: Apache-2.0
"""`openstack image vhd convert`."""

import argparse
import contextlib
import typing

from rackspace_imagetasks.i18n import _
from rackspace_imagetasks.osc import command as common
from rackspace_imagetasks.osc import local, options, parsers
from rackspace_imagetasks.osc.v2 import vhd_show

if typing.TYPE_CHECKING:
    from rackspace_imagetasks.sources.convert import Conversion


class ConvertVhd(local.LocalCommand, common.ShowCommand):
    path_arguments = ("source", "file")
    titles = ("file", "source", "source_format", *vhd_show.FIELDS)
    data_argument = "file"
    _description = _(
        "Convert a disk to a VHD that can be imported and that XenServer can resize.\n\n"
        "Works without a cloud. Raw disks and VHDs are read directly; qcow2, VMDK, VDI, VHDX and"
        " QED require QEMU's tools (package qemu-utils or qemu-img). The disk's size is rounded up"
        " to a multiple of 2 MiB, and blocks of zeros are left out."
    )
    usage = ("[options] <source> <file>",)
    examples = (
        (
            _("Convert a qcow2 disk to a VHD:"),
            "openstack image vhd convert web.qcow2 web.vhd",
        ),
        (
            _("Convert a disk that would be taken for another format:"),
            "openstack image vhd convert disk.img disk.vhd --source-format raw",
        ),
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "source",
            metavar="<source>",
            type=options.file_name,
            help=_("Disk image file to read"),
        )
        parser.add_argument(
            "file",
            metavar="<file>",
            type=options.file_name,
            help=_(
                "VHD file to write, called <file>.part until it is complete; - for standard output"
            ),
        )
        parser.add_argument_group(parsers.DISK).add_argument(
            "--source-format",
            metavar="<format>",
            help=_(
                "Format of <source>: raw, vhd, qcow2, vmdk, vdi, vhdx or qed (default: detected"
                " from its content)"
            ),
        )
        parser.add_argument(
            "--overwrite", action="store_true", help=_("Replace <file> if it exists")
        )
        options.add_truncated_option(parser)
        options.add_limit_options(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], tuple[object, ...]]:
        """Convert."""
        from rackspace_imagetasks.events import with_events
        from rackspace_imagetasks.messages import Hint, Message
        from rackspace_imagetasks.osc.progress import progress_on
        from rackspace_imagetasks.sources.convert import convert

        max_virtual_size, max_physical_size = self.limits(parsed_args)
        progress = progress_on(self.app.stderr, self.app.options.verbose_level)
        target = parsed_args.file
        if target == options.STDOUT:
            target = self.app.stdout.buffer
            self.on_interrupt = Message("Stopped.", Hint.START_OVER)
        with contextlib.closing(progress):
            done = convert(
                parsed_args.source,
                target,
                source_format=parsed_args.source_format,
                overwrite=parsed_args.overwrite,
                max_virtual_size=max_virtual_size,
                max_physical_size=max_physical_size,
                allow_truncated=parsed_args.allow_truncated,
                progress=with_events(progress),
            )
        self.tell(_summary(done))
        shown = vhd_show.fields(
            {
                "file": parsed_args.file,
                "source": parsed_args.source,
                "source_format": done.source_format,
            },
            done.facts,
        )
        return tuple(shown), tuple(shown.values())


def _summary(done: "Conversion") -> str:
    from rackspace_imagetasks.text import format_size

    facts = done.facts
    target = f"'{done.file}'" if done.file else "standard output"
    zeros = (facts.blocks_total or 0) - (facts.blocks_allocated or 0)
    summary = (
        f"Converted '{done.source}' ({done.source_format}, {format_size(done.source_size)}) to"
        f" {target}, a resizable dynamic VHD of {format_size(facts.physical_size)}"
    )
    if added := facts.virtual_size - done.source_size:
        summary += f"; added {format_size(added)} of zeros, because VHDs have blocks of 2 MiB"
    if zeros:
        summary += f"; left out {zeros} of {facts.blocks_total} blocks, which are zeros"
    return summary + "."
