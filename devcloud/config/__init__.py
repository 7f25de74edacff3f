# SPDX-License-Identifier: Apache-2.0
"""All configuration files of the cloud, written from its plan."""

from devcloud.config import clouds, glance, keystone, swift
from devcloud.plan import Plan


def write_all(plan: Plan) -> None:
    """Create the directories of the cloud and write the configuration."""
    plan.save()
    for site in plan.sites:
        keystone.write(plan, site)
        for region in site.regions:
            swift.write(plan, site, region)
            glance.write(plan, site, region)
            for service in ("glance", "swift"):
                plan.faults_dir(region, service).mkdir()
    clouds.write(plan)
