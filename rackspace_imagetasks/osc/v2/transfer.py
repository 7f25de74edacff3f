# SPDX-License-Identifier: Apache-2.0
"""`openstack image task transfer`."""

import argparse
import dataclasses
import typing

from osc_lib.cli import parseractions

from rackspace_imagetasks.i18n import _
from rackspace_imagetasks.osc import columns, options, rows
from rackspace_imagetasks.osc import command as common
from rackspace_imagetasks.osc.events import add_events_option
from rackspace_imagetasks.osc.targets import TargetName, target_name, targets_of

if typing.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rackspace_imagetasks.batch import Outcome
    from rackspace_imagetasks.imagetasks import ImageTasks
    from rackspace_imagetasks.jobs.transfer_run import TransferResult


@dataclasses.dataclass(frozen=True)
class _Copy:
    """A copy to make: an image and where it goes; as text, how messages name it.

    :ivar name: the target as the command line names it; None if there is only one target.
    """

    image: str
    target: "ImageTasks"
    name: TargetName | None

    def __str__(self) -> str:
        return f"{self.image} to {self.name}" if self.name else self.image

    @property
    def cells(self) -> dict[str, object]:
        """What its row tells before the work."""
        cloud = self.target.cloud
        place = {"Cloud": cloud.name or None, "Region": cloud.region}
        return options.image_cells(self.image) | place


class TransferImage(common.ImageTaskCommand):
    titles = (
        *("Image", "Name", "Region", "Status", "Target Image"),
        *("Properties", "Cloud", "Reason"),
    )
    default_table: typing.ClassVar = {
        "Name": 17,
        "Cloud": 9,
        "Region": 9,
        "Status": 13,
        "Target Image": 36,
    }
    _description = _(
        "Copy images of this project to other regions or clouds.\n\n"
        "Each image arrives at the target with its name, properties and tags. Between clouds with"
        " image tasks, it is exported, copied from object store to object store, and imported. To"
        " or from any other cloud, its disk is converted while it is sent, without a temporary"
        " file; formats other than raw and VHD require QEMU's tools (package qemu-utils or"
        " qemu-img). If the command is interrupted, run it again to finish the job."
    )
    usage = (
        "[options] --to-region <region> <image>...",
        "[options] --to-cloud <cloud> <image>...",
        "[options] --to <target>... <image>...",
    )
    examples = (
        (
            _("Copy an image to another region:"),
            "openstack image task transfer web --to-region ORD",
        ),
        (
            _("Show what would be copied to another cloud:"),
            "openstack image task transfer web db --to-cloud flex --dry-run",
        ),
        (
            _("Copy an image to another region and to another cloud:"),
            "openstack image task transfer web --to ORD --to cloud:flex",
        ),
        (
            _("Copy all images that have a property:"),
            "openstack image task transfer --property role=web --to-region ORD",
        ),
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the arguments."""
        parser = super().get_parser(prog_name)
        options.add_image_arguments(parser, _("Image to transfer (name or ID; repeat for several)"))
        parser.add_argument(
            "--to-region",
            metavar="<region>",
            type=options.not_empty,
            help=_("Region to copy to (default: the target cloud's default region)"),
        )
        parser.add_argument(
            "--to-cloud",
            metavar="<cloud>",
            type=options.not_empty,
            help=_("Cloud in clouds.yaml to copy to (default: the current cloud)"),
        )
        parser.add_argument(
            "--to",
            metavar="<target>",
            type=target_name,
            action="append",
            default=[],
            help=_(
                "Target to copy to: <region>, cloud:<cloud>, or cloud:<cloud>/<region> (repeat for"
                " several)"
            ),
        )
        parser.add_argument(
            "--keep-objects",
            action="store_true",
            help=_(
                "Keep the exported object, and the object staged for an import task (default:"
                " delete them at the end)"
            ),
        )
        options.add_disk_format_option(parser)
        options.add_method_option(parser)
        options.add_inspect_option(parser)
        parser.add_argument(
            "--keep-properties",
            action="store_true",
            help=_(
                "Keep all properties, even those that have no meaning for the target's hypervisor"
                " (default: adapt them)"
            ),
        )
        parser.add_argument(
            "--target-property",
            metavar="<key=value>",
            action=parseractions.KeyValueAction,
            help=_(
                "Property of the copy, which takes precedence over those of the image (repeat for"
                " several); a copy that exists is not changed"
            ),
        )
        options.add_wait_options(parser, always=True)
        options.add_transfer_options(parser)
        options.add_concurrency_option(parser)
        options.add_dry_run_option(parser)
        add_events_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> common.Table:
        """Transfer."""
        from rackspace_imagetasks.batch import run_each

        options.check_image_arguments(parsed_args)
        names = targets_of(parsed_args)
        with self.image_tasks(parsed_args) as tasks:
            images = options.images_of(tasks, parsed_args)
            targets = [(name, self.target(tasks, name, parsed_args)) for name in names]
            _require_apart(targets)
            self.expect(len(images) * len(targets))
            batches = run_each(
                images,
                lambda image: self._transfer(tasks, _copies(image, targets), parsed_args),
                concurrency=parsed_args.concurrency,
            )
            outcomes = self.reported(
                outcome
                for batch in batches
                for outcome in _of_copies(_copies(batch.subject, targets), batch)
            )
        return self.titles, rows.of_batch(self.titles, outcomes, lambda copy: copy.cells, _cells)

    def table_of(self, rows: "Sequence[Mapping[str, object]]") -> "Mapping[str, int]":
        """Return the columns, with the properties if only they are known of the copies."""
        if any(row["Target Image"] for row in rows) or not any(row["Properties"] for row in rows):
            return self.default_table
        return {"Name": 17, "Cloud": 9, "Region": 9, "Status": 13, "Properties": 36}

    def _transfer(
        self, tasks: "ImageTasks", copies: "Sequence[_Copy]", parsed_args: argparse.Namespace
    ) -> "list[Outcome[str, TransferResult]]":
        """Transfer one image to all targets."""
        from rackspace_imagetasks.jobs.options import CopyOptions, PropertyOptions

        properties = PropertyOptions(
            adapt=not parsed_args.keep_properties, chosen=parsed_args.target_property or {}
        )
        copying = CopyOptions(
            keep_objects=parsed_args.keep_objects,
            properties=properties,
            disk_format=parsed_args.disk_format,
            method=parsed_args.method,
            inspect=not parsed_args.no_inspect,
        )
        targets = {str(copy.name or ""): copy.target for copy in copies}
        plan = tasks.plan_transfers(copies[0].image, targets, copying)
        self.warn(plan.warnings)
        if parsed_args.dry_run:
            return plan.preview()
        return plan.run(timeout=parsed_args.timeout, transfer=options.transfer_options(parsed_args))


def _copies(image: str, targets: "Sequence[tuple[TargetName, ImageTasks]]") -> list[_Copy]:
    """Return the copies to make of an image; only one of several targets is named."""
    return [_Copy(image, target, name if len(targets) > 1 else None) for name, target in targets]


def _of_copies(
    copies: "Sequence[_Copy]", batch: "Outcome[str, list[Outcome[str, TransferResult]]]"
) -> "list[Outcome[_Copy, TransferResult]]":
    """Return the outcome of each copy of an image."""
    from rackspace_imagetasks.batch import Outcome

    failed: Outcome[str, TransferResult] = Outcome(batch.subject, error=batch.error)
    outcomes = batch.result or [failed] * len(copies)
    return [
        Outcome(copy, outcome.result, outcome.error)
        for copy, outcome in zip(copies, outcomes, strict=True)
    ]


def _require_apart(targets: "Sequence[tuple[TargetName, ImageTasks]]") -> None:
    """Check that no two targets are the same project in the same region.

    :raises Refused: if two are.
    """
    from rackspace_imagetasks.exceptions import Refused

    if len(targets) < 2:
        return  # without the login that tells the project
    named: dict[object, TargetName] = {}
    for name, target in targets:
        other = named.setdefault(target.cloud.project_place, name)
        if other is not name:
            raise Refused(f"Targets '{other}' and '{name}' are the same project and region.")


def _cells(result: "TransferResult") -> dict[str, object]:
    return {
        "Image": result.image_id,
        "Name": result.name,
        "Region": result.region,
        "Status": result.status,
        "Target Image": result.target_image_id,
        "Properties": columns.StructureColumn(dict(result.properties)),
    }
