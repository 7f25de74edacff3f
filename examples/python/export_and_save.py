# SPDX-License-Identifier: Apache-2.0
"""Export an image and save its VHD to a file: export_and_save.py CLOUD REGION IMAGE FILE."""

import sys
import threading

import openstack
from console import ConsoleProgress, run_cancellable
from openstack.exceptions import SDKException

from rackspace_imagetasks import ImageTasks, ImageTasksError, SaveOptions


def main(cloud: str, region: str, image: str, path: str) -> None:
    """Print where the VHD is and its size in bytes."""
    stop = threading.Event()
    connection = openstack.connect(cloud=cloud, region_name=region)
    tasks = ImageTasks(connection, progress=ConsoleProgress(), stop=stop)

    plan = tasks.plan_export(image, save=SaveOptions(target=path, delete_object=True))
    exported = run_cancellable(stop, plan.run)
    print(f"{path}: {exported.size} bytes")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (ImageTasksError, SDKException) as error:
        sys.exit(str(error))
