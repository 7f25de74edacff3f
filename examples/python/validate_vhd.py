# SPDX-License-Identifier: Apache-2.0
"""Check VHD files as the import service does: validate_vhd.py FILE [FILE ...]."""

import sys

from rackspace_imagetasks import RACKSPACE, FileSource, ImageTasksError, check_vhd


def main(*paths: str) -> int:
    """Print the findings; return the number of files that the service would refuse."""
    refused = 0
    for path in paths:
        with FileSource(path) as source:
            report = check_vhd(
                source,
                max_virtual_size=RACKSPACE.max_virtual_size,
                max_physical_size=RACKSPACE.max_physical_size,
            )
        for finding in report.findings:
            print(f"{path}: {finding.severity.value} {finding.code or '-'}: {finding.detail}")
        if report.facts:
            print(f"{path}: {report.facts.kind}, grows: {report.facts.grows}")
        refused += bool(report.errors)
    return refused


if __name__ == "__main__":
    try:
        sys.exit(min(1, main(*sys.argv[1:])))
    except ImageTasksError as error:
        sys.exit(str(error))
