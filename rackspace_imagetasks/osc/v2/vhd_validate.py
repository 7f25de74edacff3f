# SPDX-License-Identifier: Apache-2.0
"""`openstack image vhd validate`."""

import argparse
import typing

from rackspace_imagetasks.i18n import _
from rackspace_imagetasks.osc import columns, local, options
from rackspace_imagetasks.osc import command as common

if typing.TYPE_CHECKING:
    from rackspace_imagetasks.exceptions import ImageTasksError
    from rackspace_imagetasks.formats.vhd import Finding, Report


class ValidateVhd(local.SourceCommand, common.BatchCommand):
    path_arguments = ("file",)
    titles = ("File", "Severity", "Code", "Check", "Detail")
    default_table: typing.ClassVar = {"File": 24, "Severity": 8, "Code": 4, "Detail": 51}
    _description = _(
        "Check VHDs as the import service does; exit with 1 if it would refuse any of them.\n\n"
        "Lists all errors, with the codes that the service would report. Local files are checked"
        " without a cloud; only a few ranges of an object are read, whatever its size."
    )
    usage = ("[options] <file>...",)
    examples = (
        (
            _("Check a local file and an object:"),
            "openstack image vhd validate web.vhd image-exports/db.vhd",
        ),
        (
            _("Check against the limit of another provider:"),
            "openstack image vhd validate web.vhd --max-virtual-size 160GiB",
        ),
    )

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "file",
            metavar="<file>",
            type=options.file_name,
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
        from rackspace_imagetasks.exceptions import reportable
        from rackspace_imagetasks.sources.confirmed import check_vhd

        try:
            source = self.open_bytes(name)
            try:
                report = check_vhd(
                    source,
                    max_virtual_size=max_virtual_size,
                    max_physical_size=max_physical_size,
                )
            finally:
                source.close()
        except Exception as error:  # noqa: BLE001  # it becomes the row of this file
            self.has_failed = True
            return [_unreadable(name, reportable(error))]
        self.has_failed |= bool(report.errors)
        if report.unread or not report.errors:
            self.tell(_verdict(report))
        return [_row(name, finding) for finding in report.findings]


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
