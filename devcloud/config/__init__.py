# SPDX-License-Identifier: Apache-2.0
"""All configuration files of the cloud, written from its plan."""

from devcloud.config import clouds, glance, keystone, swift
from devcloud.plan import Plan


def write_all(plan: Plan) -> None:
    """Create the directories of the cloud and write the configuration."""
    plan.save()
    keystone.write(plan)
    for region in plan.regions:
        swift.write(plan, region)
        glance.write(plan, region)
        for service in ("glance", "swift"):
            plan.faults_dir(region, service).mkdir()
    clouds.write(plan)
