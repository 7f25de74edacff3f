# SPDX-License-Identifier: Apache-2.0
"""`openstack image vhd validate`."""

import argparse
import functools
import typing

from rackspace_imagetasks.i18n import _
from rackspace_imagetasks.osc import columns, local, options
from rackspace_imagetasks.osc import command as common

if typing.TYPE_CHECKING:
    from rackspace_imagetasks.bytesource import ByteSource
    from rackspace_imagetasks.cloud import Cloud
    from rackspace_imagetasks.exceptions import ImageTasksError
    from rackspace_imagetasks.formats.vhd import Finding, Report
    from rackspace_imagetasks.objects.names import ObjectName


class ValidateVhd(local.LocalCommand, common.BatchCommand):
    path_arguments = ("file",)
    titles = ("File", "Severity", "Code", "Check", "Detail")
    _description = _(
        "Check VHDs as the import service does; exit with 1 if it would refuse any of them.\n\n"
        "Lists all errors, with the codes that the service would report. Local files are checked"
        " without a cloud; only a few ranges of an object are read, whatever its size."
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "file",
            metavar="<file>",
            nargs="+",
            help=_(
                "VHD file to check, or <container>/<object> if no file has that name (repeat for"
                " several)"
            ),
        )
        options.add_limit_options(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> common.Table:
        """Check."""
        limits = self.limits(parsed_args)
        rows: list[tuple[object, ...]] = []
        for name in parsed_args.file:
            rows += self._check(name, *limits)
        return self.titles, rows

    def _check(
        self, name: str, max_virtual_size: int, max_physical_size: int
    ) -> list[tuple[object, ...]]:
        from rackspace_imagetasks.exceptions import ImageTasksError
        from rackspace_imagetasks.sources.confirmed import check_vhd

        try:
            source = self._open(name)
            try:
                report = check_vhd(
                    source,
                    max_virtual_size=max_virtual_size,
                    max_physical_size=max_physical_size,
                )
            finally:
                source.close()
        except ImageTasksError as error:
            self.has_failed = True
            return [_unreadable(name, error)]
        self.has_failed |= bool(report.errors)
        if report.unread or not report.errors:
            self.tell(_verdict(report))
        return [_row(name, finding) for finding in report.findings]

    def _open(self, name: str) -> "ByteSource":
        from pathlib import Path

        from rackspace_imagetasks.bytesource import FileSource
        from rackspace_imagetasks.osc.locations import Location, is_there

        if is_there(Path(name)):
            return FileSource(name)
        location = Location.parse(name)
        if location.object is None:
            return FileSource(str(location.path))
        return self._open_object(location.object)

    def _open_object(self, name: "ObjectName") -> "ByteSource":
        from keystoneauth1.exceptions import ClientException
        from openstack.exceptions import SDKException

        from rackspace_imagetasks.exceptions import ImageTasksError, NotFound
        from rackspace_imagetasks.messages import Message
        from rackspace_imagetasks.objects.source import ObjectSource

        try:
            return ObjectSource(self._cloud.objects, name)
        except ImageTasksError as error:
            text = f"File '{name}' not found, and looking for an object with that name failed:"
            last = error.messages[-1]
            raise NotFound(Message(f"{text} {error.text}", last.hint, last.values)) from error
        except (ClientException, SDKException) as error:
            reason = str(error).rstrip(".")
            raise NotFound(
                f"File '{name}' not found, and no cloud is available to look for an object with"
                f" that name: {reason}."
            ) from error

    @functools.cached_property
    def _cloud(self) -> "Cloud":
        """The cloud, which only objects need."""
        import openstack.connection

        from rackspace_imagetasks.imagetasks import ImageTasks
        from rackspace_imagetasks.osc.progress import LineProgress, QuietProgress

        config = self.app.cloud_config.get_one(
            cloud=self.app.options.cloud, argparse=self.app.options
        )
        connection = openstack.connection.Connection(config=config)
        is_quiet = self.app.options.verbose_level == 0
        progress = QuietProgress() if is_quiet else LineProgress(self.app.stderr, verbose=False)
        return ImageTasks(connection, progress=progress).cloud


def _verdict(report: "Report") -> str:
    unread = f"; not read: {', '.join(report.unread)}" if report.unread else ""
    if report.errors:
        return f"'{report.name}' would be refused by the import service{unread}."
    if report.warnings:
        return f"'{report.name}' can be imported, with warnings{unread}."
    return f"'{report.name}' is valid{unread}."


def _row(name: str, finding: "Finding") -> tuple[object, ...]:
    from rackspace_imagetasks.messages import Message
    from rackspace_imagetasks.osc.hints import worded

    text = f"{finding.detail.rstrip('.')} ({finding.where})."
    detail = worded(Message(text, finding.hint, finding.values))
    return (
        name,
        finding.severity.value,
        columns.CodeColumn(finding.code),
        finding.check,
        columns.DetailColumn(detail),
    )


def _unreadable(name: str, error: "ImageTasksError") -> tuple[object, ...]:
    from rackspace_imagetasks.osc.hints import worded_error

    return (
        name,
        "error",
        columns.CodeColumn(None),
        "unreadable",
        columns.DetailColumn(worded_error(error)),
    )
