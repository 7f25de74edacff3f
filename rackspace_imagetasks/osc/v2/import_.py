# SPDX-License-Identifier: Apache-2.0
"""`openstack image task import`."""

import argparse
import contextlib
import dataclasses
import typing
from pathlib import Path

from osc_lib.cli import parseractions
from osc_lib.command import command

from rackspace_imagetasks.i18n import _
from rackspace_imagetasks.osc import command as common
from rackspace_imagetasks.osc import options

if typing.TYPE_CHECKING:
    from rackspace_imagetasks.glance.settings import ImageSettings
    from rackspace_imagetasks.imagetasks import ImageTasks
    from rackspace_imagetasks.jobs.imports import ImportPlan, ImportResult
    from rackspace_imagetasks.osc.locations import Location


class ImportImage(common.ImageTaskCommand, command.Lister):
    titles = ("Image", "Name", "Task", "Status", "Object", "Disk Size")
    _description = _(
        "Import disks, from local files or from objects, as images.\n\n"
        "What the service would refuse is said before anything is sent. A local disk of any format"
        " is staged in a container, as a VHD that grows, with no temporary file; run again, the"
        " command goes on with what an earlier run left. An object must be a VHD."
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "source",
            metavar="<source>",
            nargs="*",
            help=_("Local file, or <container>/<object>, to import (repeat for several)"),
        )
        parser.add_argument(
            "--file",
            metavar="<file>",
            action="append",
            default=[],
            help=_("Local file to import, whatever its name looks like (repeat for several)"),
        )
        parser.add_argument(
            "--name",
            metavar="<name>",
            help=_("Name of the image (default: the name of the file or object, without suffix)"),
        )
        parser.add_argument(
            "--container",
            metavar="<container>",
            help=_("Container to stage local files in (default: image-imports, created if absent)"),
        )
        parser.add_argument(
            "--create-container",
            action="store_true",
            help=_("Create the container named by --container if it is absent"),
        )
        parser.add_argument(
            "--source-format",
            metavar="<format>",
            help=_(
                "Format of local files: raw, vhd, qcow2, vmdk, vdi, vhdx or qed (default: found out"
                " from their content)"
            ),
        )
        parser.add_argument(
            "--no-convert",
            action="store_true",
            help=_(
                "Send local files as they are (default: a disk that is not a VHD, or a VHD that"
                " would not grow, is converted while it is sent)"
            ),
        )
        keep = parser.add_mutually_exclusive_group()
        keep.add_argument(
            "--keep-object",
            dest="keep_object",
            action="store_true",
            default=None,
            help=_("Keep the object after the import (default for <container>/<object>)"),
        )
        keep.add_argument(
            "--delete-object",
            dest="keep_object",
            action="store_false",
            help=_("Delete the object after the import has succeeded (default for local files)"),
        )
        _add_settings(parser)
        options.add_wait_options(parser)
        options.add_limit_options(parser)
        options.add_transfer_options(parser, upload=True)
        options.add_concurrency_option(parser)
        options.add_dry_run_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> common.Table:
        """Import."""
        from rackspace_imagetasks.osc.locations import Location

        sources = [Location.parse(source) for source in parsed_args.source]
        sources += [Location(path=Path(path)) for path in parsed_args.file]
        sources = list({source.key: source for source in sources}.values())
        with self.image_tasks(parsed_args) as tasks:
            settings = _settings(tasks, parsed_args)
            _check_options(parsed_args, sources, settings)
            results = self.run_each(
                sources,
                lambda source: self._import(tasks, source, settings, parsed_args),
                parsed_args.concurrency,
            )
        return self.titles, [_row(result) for result in results]

    def _import(
        self,
        tasks: "ImageTasks",
        source: "Location",
        settings: "ImageSettings",
        parsed_args: argparse.Namespace,
    ) -> "ImportResult":
        from rackspace_imagetasks.exceptions import TaskTimeout

        with contextlib.closing(_plan(tasks, source, settings, parsed_args)) as plan:
            self.warn(plan.warnings)
            if parsed_args.dry_run:
                return plan.result(plan.task)
            transfer = options.transfer_options(parsed_args)
            if not parsed_args.wait:
                return tasks.start_import(plan, transfer=transfer)
            timeout = options.timeout_of(parsed_args)
            try:
                return tasks.import_image(plan, timeout=timeout, transfer=transfer)
            except TaskTimeout as error:
                row = plan.result(plan.task)
                row = dataclasses.replace(row, task_id=error.task_id, status="processing")
                return self.goes_on(error, row)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """Add what is set on the image once it is active."""
    group = parser.add_argument_group(
        _("image settings"), _("Set on the image after its import; they need --wait")
    )
    group.add_argument(
        "--property",
        metavar="<key=value>",
        action=parseractions.KeyValueAction,
        help=_("Property of the image (repeat for several)"),
    )
    group.add_argument(
        "--boot-profile",
        metavar="<profile>",
        default="none",
        help=_(
            "Properties that an image from elsewhere needs to boot: 'hvm' sets vm_mode=hvm,"
            " img_config_drive=mandatory and xenapi_use_agent=False for a foreign Linux image;"
            " 'none' (default) sets nothing"
        ),
    )
    group.add_argument(
        "--tag",
        metavar="<tag>",
        action="append",
        default=[],
        help=_("Tag of the image (repeat for several)"),
    )
    group.add_argument(
        "--min-disk",
        metavar="<GB>",
        type=options.number,
        help=_("Smallest disk that a server of the image needs, in GB"),
    )
    group.add_argument(
        "--min-ram",
        metavar="<MB>",
        type=options.number,
        help=_("Least memory that a server of the image needs, in MB"),
    )
    visibility = group.add_mutually_exclusive_group()
    visibility.add_argument(
        "--public",
        dest="visibility",
        action="store_const",
        const="public",
        help=_("Make the image visible to all projects, where the cloud allows it"),
    )
    visibility.add_argument(
        "--private",
        dest="visibility",
        action="store_const",
        const="private",
        help=_("Make the image visible to this project alone"),
    )


def _settings(tasks: "ImageTasks", parsed_args: argparse.Namespace) -> "ImageSettings":
    from rackspace_imagetasks.glance.settings import ImageSettings

    return ImageSettings(
        properties=tasks.boot_properties(parsed_args.boot_profile) | (parsed_args.property or {}),
        tags=tuple(parsed_args.tag),
        min_disk=parsed_args.min_disk,
        min_ram=parsed_args.min_ram,
        visibility=parsed_args.visibility,
    )


def _check_options(
    parsed_args: argparse.Namespace, sources: "list[Location]", settings: "ImageSettings"
) -> None:
    """Refuse options that cannot be obeyed.

    :raises Refused: with all of them.
    """
    from rackspace_imagetasks.exceptions import Refused
    from rackspace_imagetasks.imagetasks import ImageTasks

    problems = []
    if not sources:
        problems.append("Name what to import: a local file, or <container>/<object>.")
    for option in ("container", "create_container", "source_format", "no_convert"):
        if getattr(parsed_args, option) and sources and not any(s.path for s in sources):
            name = "--" + option.replace("_", "-")
            problems.append(f"{name} is about local files; leave it out for <container>/<object>.")
    if parsed_args.name is not None and len(sources) > 1:
        problems.append("--name names one image; leave it out to import several.")
    if settings and not parsed_args.wait:
        problems.append(ImageTasks.SETTINGS_NEED_WAIT)
    if problems:
        raise Refused(*problems)


def _plan(
    tasks: "ImageTasks",
    source: "Location",
    settings: "ImageSettings",
    parsed_args: argparse.Namespace,
) -> "ImportPlan":
    keep = parsed_args.keep_object
    name = source.image_name if parsed_args.name is None else parsed_args.name
    if source.path is not None:
        return tasks.plan_import_file(
            source.path,
            name,
            settings=settings,
            container=parsed_args.container,
            create_container=parsed_args.create_container,
            keep_object=bool(keep),
            convert=not parsed_args.no_convert,
            source_format=parsed_args.source_format,
        )
    return tasks.plan_import_object(
        source.container,
        source.object_name,
        name,
        settings=settings,
        delete_object=keep is False,
    )


def _row(result: "ImportResult") -> tuple[object, ...]:
    return (
        common.TextColumn(result.image_id),
        common.TextColumn(result.name),
        common.TextColumn(result.task_id),
        common.TextColumn(result.status),
        common.TextColumn(result.location),
        common.SizeColumn(result.size),
    )
