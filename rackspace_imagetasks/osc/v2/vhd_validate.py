# SPDX-License-Identifier: Apache-2.0
"""`openstack image vhd validate`."""

import argparse
import functools
import typing

from cliff import columns
from osc_lib.command import command

from rackspace_imagetasks.i18n import _
from rackspace_imagetasks.osc import command as common
from rackspace_imagetasks.osc import local, options

if typing.TYPE_CHECKING:
    from rackspace_imagetasks.bytesource import ByteSource
    from rackspace_imagetasks.cloud import Cloud
    from rackspace_imagetasks.formats.vhd import Finding, Report


class CodeColumn(columns.FormattableColumn[int | None]):
    """A failure code of the service: nothing for people where there is none."""

    def human_readable(self) -> str:
        """Return the code's digits."""
        return "" if self._value is None else str(self._value)


class ValidateVhd(local.LocalCommand, common.BatchCommand, command.Lister):
    titles = ("File", "Severity", "Code", "Check", "Detail")
    _description = _(
        "Check VHDs as the import service does; exit with 1 if it would refuse any of them.\n\n"
        "Lists everything that is wrong, with the code that the service would give. Files need no"
        " cloud; of an object a few ranges are read, whatever its size."
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "file",
            metavar="<file>",
            nargs="+",
            help=_(
                "VHD file to check, or <container>/<object> where there is no file of that name"
                " (repeat for several)"
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
        from rackspace_imagetasks.formats import vhd
        from rackspace_imagetasks.osc.hints import in_words

        try:
            source = self._open(name)
            try:
                report = vhd.check(
                    source,
                    max_virtual_size=max_virtual_size,
                    max_physical_size=max_physical_size,
                )
            finally:
                source.close()
        except ImageTasksError as error:
            self.failed = True
            reason = in_words(error)
            return [(common.TextColumn(name), "error", CodeColumn(None), "unreadable", reason)]
        self.failed |= bool(report.errors)
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
        if location.path:
            return FileSource(location.path)
        return self._open_object(location.container, location.object_name)

    def _open_object(self, container: str, name: str) -> "ByteSource":
        from keystoneauth1.exceptions import ClientException
        from openstack.exceptions import SDKException

        from rackspace_imagetasks.exceptions import NotFound
        from rackspace_imagetasks.objects.source import ObjectSource
        from rackspace_imagetasks.text import printable

        try:
            store = self._cloud.objects
        except (ClientException, SDKException) as error:
            raise NotFound(
                f"There is no file '{printable(f'{container}/{name}')}', and no cloud to look for"
                f" such an object in: {printable(error).rstrip('.')}."
            ) from error
        return ObjectSource(store, container, name)

    @functools.cached_property
    def _cloud(self) -> "Cloud":
        """The cloud to log in to, which only objects need."""
        import openstack.connection

        from rackspace_imagetasks.imagetasks import ImageTasks

        config = self.app.cloud_config.get_one(
            cloud=self.app.options.cloud, argparse=self.app.options
        )
        return ImageTasks(openstack.connection.Connection(config=config)).cloud


def _verdict(report: "Report") -> str:
    unread = f"; not read: {', '.join(report.unread)}" if report.unread else ""
    if report.errors:
        return f"'{report.name}' would not be imported{unread}."
    if report.warnings:
        return f"'{report.name}' would be imported, but see its warnings{unread}."
    return f"'{report.name}' is valid{unread}."


def _row(name: str, finding: "Finding") -> tuple[object, ...]:
    from rackspace_imagetasks.messages import Message
    from rackspace_imagetasks.osc.hints import WORDINGS

    text = f"{finding.detail.rstrip('.')} ({finding.where})."
    detail = Message(text, finding.hint, finding.values).worded(WORDINGS)
    return (
        common.TextColumn(name),
        finding.severity.value,
        CodeColumn(finding.code),
        finding.check,
        detail,
    )
