# SPDX-License-Identifier: Apache-2.0
"""Export an image and save its VHD in a file: export_and_save.py CLOUD REGION IMAGE FILE."""

import sys
import threading

import openstack
from console import ConsoleProgress, run_cancellable
from openstack.exceptions import SDKException

from rackspace_imagetasks import ImageTasks, ImageTasksError


def main(cloud: str, region: str, image: str, path: str) -> None:
    """Print where the VHD is and how many bytes it has."""
    stop = threading.Event()
    connection = openstack.connect(cloud=cloud, region_name=region)
    tasks = ImageTasks(connection, progress=ConsoleProgress(), stop=stop)

    plan = tasks.plan_export(image, reuse=True)  # takes an earlier export, if there is one
    run_cancellable(stop, lambda: tasks.export_image(plan))
    saved = run_cancellable(
        stop, lambda: tasks.save_export(plan.location, path, delete_object=True)
    )
    print(f"{saved.path}: {saved.size} bytes")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (ImageTasksError, SDKException) as error:
        sys.exit(str(error))
