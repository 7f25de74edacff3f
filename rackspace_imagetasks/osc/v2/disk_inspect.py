# SPDX-License-Identifier: Apache-2.0
"""`openstack image disk inspect`."""

import argparse
import typing

from rackspace_imagetasks.i18n import _
from rackspace_imagetasks.osc import columns, local, options
from rackspace_imagetasks.osc import command as common

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rackspace_imagetasks.profile import ProviderProfile
    from rackspace_imagetasks.sources import DiskSource

TARGETS = ("rackspace", "glance", "flex")
"""The names of the profiles, which are not loaded to build a parser."""


class InspectDisk(local.SourceCommand, common.ShowCommand):
    path_arguments = ("disk",)
    _is_ready = True
    _description = _(
        "Look inside a disk and check that it will work in a cloud; exit with 1 if it will not.\n\n"
        "Nothing is changed, and only a few ranges are read, whatever the size of the disk. Local"
        " files are inspected without a cloud. Formats other than raw and VHD require QEMU's tools"
        " (package qemu-utils or qemu-img)."
    )
    usage = ("[options] <disk>", "[options] --image <image>")
    examples = (
        (
            _("Check that a disk will work in a Rackspace cloud:"),
            "openstack image disk inspect web.qcow2 --for rackspace",
        ),
        (
            _("Draw the partitions of an image:"),
            "openstack image disk inspect --image web --map",
        ),
        (
            _("Print the findings as JSON:"),
            "openstack image disk inspect web.qcow2 -f json",
        ),
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the arguments."""
        parser = super().get_parser(prog_name)
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument(
            "disk",
            metavar="<disk>",
            type=options.file_name,
            nargs="?",
            help=_(
                "Disk image file in any format, or <container>/<object> if no file has that name"
            ),
        )
        source.add_argument(
            "--image",
            metavar="<image>",
            type=options.not_empty,
            help=_("Image (name or ID) to inspect, in a cloud without image tasks"),
        )
        parser.add_argument(
            "--for",
            dest="target",
            metavar="<profile>",
            choices=TARGETS,
            help=_(
                "Cloud in which the disk must work: rackspace, glance (any other cloud with KVM) or"
                " flex (default: that of the selected cloud)"
            ),
        )
        parser.add_argument(
            "--map",
            action="store_true",
            help=_("Draw where the partitions and the data are"),
        )
        parser.add_argument(
            "--deep",
            action="store_true",
            help=_("Read the contents of the initramfs, too, to find the drivers in it"),
        )
        return parser

    def known_titles(self) -> tuple[str, ...]:
        """Return all fields, in alphabetical order."""
        from rackspace_imagetasks.osc import disk_report

        return tuple(sorted({"source", "format", *disk_report.field_names()}))

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command; return 1 if the disk is not ready."""
        return super().run(parsed_args) or int(not self._is_ready)

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], tuple[object, ...]]:
        """Inspect."""
        from rackspace_imagetasks.guest.drawing import draw
        from rackspace_imagetasks.guest.readiness import judge_readiness
        from rackspace_imagetasks.jobs.inspections import inspect_disk
        from rackspace_imagetasks.osc import disk_report

        profile = self._profile(parsed_args)
        with self._open(parsed_args) as disk:
            facts = inspect_disk(disk, deep=parsed_args.deep)
            drawing = draw(facts, disk.data_extents()) if parsed_args.map else []
            found: dict[str, object] = {"source": disk.name, "format": disk.format}
        readiness = judge_readiness(facts, profile)
        self._is_ready = readiness.is_ready
        self._lines = list(disk_report.lines(facts, readiness, drawing))
        found |= disk_report.fields(facts, readiness)
        names = sorted(found)
        return tuple(names), tuple(columns.StructureColumn(found[name]) for name in names)

    def produce_output(
        self,
        parsed_args: argparse.Namespace,
        column_names: "Sequence[str]",
        data: "Iterable[object]",
    ) -> int:
        """Print lines for people, or the fields in the format that a program has chosen."""
        from rackspace_imagetasks.osc.hints import worded

        if parsed_args.formatter != "table":
            return super().produce_output(parsed_args, column_names, data)
        for line in self._lines:
            self.app.stdout.write(f"{worded(line)}\n")
        return 0

    def _profile(self, parsed_args: argparse.Namespace) -> "ProviderProfile":
        from rackspace_imagetasks.profile import PROFILES, profile_of

        if parsed_args.target:
            return PROFILES[parsed_args.target]
        if parsed_args.image:
            return self.cloud.profile
        config = self.app.cloud.config
        uses_tasks = config.get("image_api_use_tasks") is True
        return profile_of(config.get("image_tasks"), self.app.cloud.name, uses_tasks=uses_tasks)

    def _open(self, parsed_args: argparse.Namespace) -> "DiskSource":
        from rackspace_imagetasks.jobs.inspections import open_disk_in, open_image

        if parsed_args.image:
            return open_image(self.cloud, parsed_args.image)
        return open_disk_in(self.open_bytes(parsed_args.disk))
