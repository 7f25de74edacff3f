# SPDX-License-Identifier: Apache-2.0
"""The development cloud: a real Keystone, and a Swift and a Glance a region, on loopback.

    python -m devcloud up --root DIR       a cloud in a new directory, until a signal ends it
    python -m devcloud run -- COMMAND ...  a cloud for as long as the command runs

The command finds the cloud by OS_CLIENT_CONFIG_FILE and its directory by DEVCLOUD_ROOT. Glance's
tasks behave as Rackspace Cloud Images' do (`cloudimages`); Keystone is also spoken to as Identity
v2.0 (`servers.identity_v2`). What a test needs beside the services' own APIs: `faults` makes
requests go wrong, `accesslog` tells what was asked, `operations` ends servers and reaches the disk.

The directory:

    clouds.yaml                alice, carol (no task admin), bob (another project), admin (the
                               operator) and alice-apikey, each cloud with all regions
    plan.json pids.json        ports and knobs; the process ID of each server
    keystone.out ...           what a program printed; keystone/keystone.log is Keystone's log
    DFW/swift-access.log       a line of JSON for each request, and glance-access.log
    DFW/swift-faults/          rules in force, and glance-faults/
    DFW/swift/swift.log        Swift's own log; devices/ is its disk
    DFW/glance/glance.log      Glance's own log; images/ is its store
"""
