# SPDX-License-Identifier: Apache-2.0
"""The development cloud on loopback: a real Keystone, and a real Swift and Glance in each region.

    python -m devcloud up --root DIR       run a cloud in a new directory until a signal stops it
    python -m devcloud run -- COMMAND ...  run a cloud for as long as the command runs

The variable OS_CLIENT_CONFIG_FILE points the command to the cloud, and DEVCLOUD_ROOT names the
directory of the cloud. The tasks of Glance behave as those of Rackspace Cloud Images
(`cloudimages`), and Keystone also serves the Identity API v2.0 (`servers.identity_v2`). For tests,
`faults` makes requests fail, `accesslog` reads the requests that a service received, and
`operations` kills servers and finds objects on the disk of Swift.

The directory contains:

    clouds.yaml                alice, carol (without the task role), bob (another project), admin
                               (the operator) and alice-apikey, each with all regions
    plan.json pids.json        ports and settings; the process ID of each server
    keystone.out ...           the output of each program; Keystone's log is keystone/keystone.log
    DFW/swift-access.log       one line of JSON for each request; also glance-access.log
    DFW/swift-faults/          the fault rules in force; also glance-faults/
    DFW/swift/swift.log        the log of Swift; its disk is devices/
    DFW/glance/glance.log      the log of Glance; its store is images/
"""
