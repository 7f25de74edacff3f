# SPDX-License-Identifier: Apache-2.0
"""`openstack image task import`."""

import argparse
import contextlib
import typing

from osc_lib.cli import parseractions

from rackspace_imagetasks.i18n import _
from rackspace_imagetasks.osc import columns, options, parsers, rows
from rackspace_imagetasks.osc import command as common
from rackspace_imagetasks.osc.events import add_events_option

if typing.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rackspace_imagetasks.glance.settings import ImageSettings
    from rackspace_imagetasks.imagetasks import ImageTasks
    from rackspace_imagetasks.jobs.imports import ImportPlan, ImportResult
    from rackspace_imagetasks.jobs.uploads import UploadPlan
    from rackspace_imagetasks.osc.locations import Location


_AS_OBJECT = "To import the object with that name instead, use --object."


class ImportImage(common.ImageTaskCommand):
    path_arguments = ("source", "file")
    titles = ("Image", "Name", "Task", "Status", "Object", "Disk Size", "Source", "Reason")
    default_table: typing.ClassVar = {"Source": 36, "Status": 16, "Image": 36}
    _description = _(
        "Import disks from local files or from objects as images.\n\n"
        "Everything that the service would refuse is reported before anything is sent. A local disk"
        " of any format is uploaded to a container as a resizable VHD, without a temporary file."
        " If the command is run again, it resumes an interrupted upload, and shows the image of a"
        " finished import. An object must be a VHD. In a cloud without image tasks, a disk of any"
        " format, in a file or an object, is converted to the format of the image while it is sent."
        " Formats other than raw and VHD require QEMU's tools (package qemu-utils or qemu-img)."
    )
    usage = ("[options] <source>...",)
    examples = (
        (
            _("Import a disk of any format, and wait for the image:"),
            "openstack image task import web.qcow2 --name web --wait",
        ),
        (
            _("Set a property and a tag on the image:"),
            "openstack image task import db.vmdk --property role=db --tag gold --wait",
        ),
        (
            _("Import a VHD from a container, with a limit of one hour:"),
            "openstack image task import images/web.vhd --wait --timeout 3600",
        ),
        (
            _("Check two disks, and import nothing:"),
            "openstack image task import web.raw db.raw --dry-run",
        ),
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "source",
            metavar="<source>",
            type=options.file_name,
            nargs="*",
            help=_(
                "Local file to import, or <container>/<object> if no file has that name (repeat for"
                " several)"
            ),
        )
        parser.add_argument(
            "--file",
            metavar="<file>",
            type=options.file_name,
            action="append",
            default=[],
            help=_(
                "Local file to import, even if its name looks like an object (repeat for several)"
            ),
        )
        parser.add_argument(
            "--object",
            metavar="<object>",
            action="append",
            default=[],
            help=_(
                "<container>/<object> to import, even if a file has that name (repeat for several)"
            ),
        )
        parser.add_argument(
            "--name",
            metavar="<name>",
            type=options.not_empty,
            help=_(
                "Name of the image (default: the name of the file or object without its suffix)"
            ),
        )
        containers = parser.add_argument_group(parsers.CONTAINER)
        containers.add_argument(
            "--container",
            metavar="<container>",
            help=_(
                "Container to upload local files to (default: image-imports, created if it does not"
                " exist)"
            ),
        )
        containers.add_argument(
            "--create-container",
            action="store_true",
            help=_("Create the container named by --container if it does not exist"),
        )
        disk = parser.add_argument_group(parsers.DISK)
        disk.add_argument(
            "--source-format",
            metavar="<format>",
            help=_(
                "Format of local files: raw, vhd, qcow2, vmdk, vdi, vhdx or qed (default: detected"
                " from their content)"
            ),
        )
        disk.add_argument(
            "--no-convert",
            action="store_true",
            help=_(
                "Upload local files unchanged (default: convert disks that are not resizable VHDs"
                " during the upload)"
            ),
        )
        options.add_truncated_option(parser)
        options.add_inspect_option(parser)
        options.add_disk_format_option(parser)
        options.add_method_option(parser)
        keep = containers.add_mutually_exclusive_group()
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
        parser.add_argument(
            "--new-copy",
            action="store_true",
            help=_(
                "Create another image even if the disk was already imported under this name"
                " (default: show the existing image)"
            ),
        )
        _add_settings(parser)
        options.add_wait_options(parser)
        options.add_limit_options(parser)
        options.add_transfer_options(parser, upload=True)
        options.add_concurrency_option(parser)
        options.add_dry_run_option(parser)
        add_events_option(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> common.Table:
        """Import."""
        from rackspace_imagetasks.exceptions import Refused
        from rackspace_imagetasks.jobs.imports import SETTINGS_NEED_WAIT
        from rackspace_imagetasks.osc.locations import Location

        sources = [Location.parse(source) for source in parsed_args.source]
        files = [source for source in sources if source.may_be_object]
        self.warn(f"Importing file '{file}'. {_AS_OBJECT}" for file in files)
        sources += [Location(path=path) for path in parsed_args.file]
        sources += [Location.of_object(name) for name in parsed_args.object]
        sources = list({source.key: source for source in sources}.values())
        _check_options(parsed_args, sources)
        with self.image_tasks(parsed_args) as tasks:
            settings = _settings(parsed_args)
            uses_tasks = tasks.cloud.profile.uses_tasks
            has_settings = bool(settings) or parsed_args.boot_profile not in ("auto", "none")
            if has_settings and uses_tasks and not parsed_args.wait:
                raise Refused(SETTINGS_NEED_WAIT)
            outcomes = self.run_batch(
                sources,
                lambda source: self._import(tasks, source, settings, parsed_args),
                parsed_args.concurrency,
            )
        return self.titles, rows.of_batch(
            self.titles, outcomes, lambda source: {"Source": str(source)}, _cells
        )

    def table_of(self, rows: "Sequence[Mapping[str, object]]") -> "Mapping[str, int]":
        """Return the columns, with the tasks while images are missing."""
        is_running = any(row["Task"] and not row["Image"] for row in rows)
        return {"Source": 36, "Status": 16, "Task": 36} if is_running else self.default_table

    def _import(
        self,
        tasks: "ImageTasks",
        source: "Location",
        settings: "ImageSettings",
        parsed_args: argparse.Namespace,
    ) -> "ImportResult":
        with contextlib.closing(_plan(tasks, source, settings, parsed_args)) as plan:
            self.warn(plan.warnings)
            if parsed_args.dry_run:
                return plan.preview()
            transfer = options.transfer_options(parsed_args)
            if not parsed_args.wait:
                return plan.start(transfer=transfer)
            return plan.run(timeout=parsed_args.timeout, transfer=transfer)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """Add the options that are applied to the image once it is active."""
    group = parser.add_argument_group(
        parsers.SETTINGS,
        _(
            "Set on the image after its import; in a cloud with image tasks, these options require"
            " --wait"
        ),
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
        default="auto",
        help=_(
            "Properties that an image from another platform needs to boot: 'hvm' sets vm_mode=hvm,"
            " img_config_drive=mandatory and xenapi_use_agent=False, for Linux images; 'none' sets"
            " nothing; 'auto' (default) chooses by what is inside the disk"
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
        metavar="<disk-gb>",
        type=options.number,
        help=_("Minimum disk size needed to boot the image, in gigabytes"),
    )
    group.add_argument(
        "--min-ram",
        metavar="<ram-mb>",
        type=options.number,
        help=_("Minimum memory needed to boot the image, in megabytes"),
    )
    visibility = group.add_mutually_exclusive_group()
    visibility.add_argument(
        "--public",
        dest="visibility",
        action="store_const",
        const="public",
        help=_("Make the image visible to all projects, if the cloud allows it"),
    )
    visibility.add_argument(
        "--private",
        dest="visibility",
        action="store_const",
        const="private",
        help=_("Make the image visible to this project only"),
    )


def _settings(parsed_args: argparse.Namespace) -> "ImageSettings":
    from rackspace_imagetasks.glance.settings import ImageSettings

    return ImageSettings(
        properties=parsed_args.property or {},
        tags=tuple(parsed_args.tag),
        min_disk=parsed_args.min_disk,
        min_ram=parsed_args.min_ram,
        visibility=parsed_args.visibility,
    )


def _check_options(parsed_args: argparse.Namespace, sources: "list[Location]") -> None:
    """Refuse options that cannot be applied.

    :raises UsageError: with all of them.
    """
    from rackspace_imagetasks.osc.usage import UsageError

    problems = [*options.wait_problems(parsed_args)]
    if not sources:
        problems.append("Specify a local file or <container>/<object> to import.")
    for option in ("container", "create_container", "source_format", "no_convert"):
        if getattr(parsed_args, option) and sources and not any(s.path for s in sources):
            name = "--" + option.replace("_", "-")
            problems.append(
                f"{name} applies to local files; leave it out for <container>/<object>."
            )
    if parsed_args.name is not None and len(sources) > 1:
        problems.append("--name applies to one image; leave it out to import several.")
    if problems:
        raise UsageError(*problems)


def _plan(
    tasks: "ImageTasks",
    source: "Location",
    settings: "ImageSettings",
    parsed_args: argparse.Namespace,
) -> "ImportPlan | UploadPlan":
    keep = parsed_args.keep_object
    name = source.image_name if parsed_args.name is None else parsed_args.name
    if source.object is not None:
        return tasks.plan_import_object(
            source.object,
            name,
            settings=settings,
            delete_object=keep is False,
            new_copy=parsed_args.new_copy,
            disk=options.disk_options(parsed_args),
            disk_format=parsed_args.disk_format,
            method=parsed_args.method,
        )
    return tasks.plan_import_file(
        source.path or "",
        name,
        settings=settings,
        staging=options.staging_options(parsed_args),
        disk=options.disk_options(parsed_args),
        new_copy=parsed_args.new_copy,
        disk_format=parsed_args.disk_format,
        method=parsed_args.method,
    )


def _cells(result: "ImportResult") -> dict[str, object]:
    return {
        "Image": result.image_id,
        "Name": result.name,
        "Task": result.task_id,
        "Status": result.status,
        "Object": result.location,
        "Disk Size": columns.SizeColumn(result.size),
    }
