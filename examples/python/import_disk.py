# SPDX-License-Identifier: Apache-2.0
"""Import a disk of any format as an image: import_disk.py CLOUD REGION FILE NAME."""

import sys
import threading

import openstack
from console import ConsoleProgress, run_cancellable
from openstack.exceptions import SDKException

from rackspace_imagetasks import RACKSPACE, ImageSettings, ImageTasks, ImageTasksError


def main(cloud: str, region: str, path: str, name: str) -> None:
    """Print the ID of the new image."""
    stop = threading.Event()
    connection = openstack.connect(cloud=cloud, region_name=region)
    tasks = ImageTasks(connection, progress=ConsoleProgress(), stop=stop)
    settings = ImageSettings(properties=RACKSPACE.boot_properties("hvm"), tags=("example",))

    plan = tasks.plan_import_file(path, name, settings=settings)  # changes nothing
    for warning in plan.warnings:
        print(warning)
    result = run_cancellable(stop, plan.run)
    print(result.image_id)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (ImageTasksError, SDKException) as error:
        sys.exit(str(error))
