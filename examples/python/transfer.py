# SPDX-License-Identifier: Apache-2.0
"""Copy images to another region: transfer.py CLOUD FROM-REGION TO-REGION IMAGE [IMAGE ...]."""

import sys
import threading

import openstack
from console import ConsoleProgress, run_cancellable
from openstack.exceptions import SDKException

from rackspace_imagetasks import ImageTasks, ImageTasksError, TransferResult, run_each


def main(cloud: str, source_region: str, target_region: str, *images: str) -> int:
    """Print a line for each image; return the number of images that failed."""
    stop, progress = threading.Event(), ConsoleProgress()
    source, target = (
        ImageTasks(openstack.connect(cloud=cloud, region_name=region), progress=progress, stop=stop)
        for region in (source_region, target_region)
    )

    def transfer(image: str) -> TransferResult:
        return source.plan_transfer(image, target).run()

    outcomes = run_cancellable(stop, lambda: run_each(images, transfer, concurrency=4))
    for outcome in outcomes:
        if outcome.result:
            print(f"{outcome.subject}: {outcome.result.status} as {outcome.result.target_image_id}")
        else:
            print(f"{outcome.subject}: {outcome.error}")
    return sum(outcome.error is not None for outcome in outcomes)


if __name__ == "__main__":
    try:
        sys.exit(min(1, main(*sys.argv[1:])))
    except (ImageTasksError, SDKException) as error:
        sys.exit(str(error))
