# SPDX-License-Identifier: Apache-2.0
"""Write the disk in a file of any format to a sparse qcow2 file: write_qcow2.py DISK QCOW2."""

import sys

from rackspace_imagetasks import ImageTasksError, VirtualQcow2, open_source, write_file


def main(disk_file: str, qcow2_file: str) -> None:
    """Write the file and print its size, which is known before it is written."""
    with open_source(disk_file) as disk, VirtualQcow2(disk) as qcow2:
        print(f"{disk.description} -> qcow2, {qcow2.size} bytes")
        write_file(qcow2, qcow2_file)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ImageTasksError as error:
        sys.exit(str(error))
