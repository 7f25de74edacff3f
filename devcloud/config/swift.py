# SPDX-License-Identifier: Apache-2.0
import gzip
import json
import struct
from pathlib import Path

from devcloud.config.authtoken import authtoken
from devcloud.plan import HOST, SWIFT_PARTS, Plan, Site

HASH_AFFIX = "devcloud"  # Swift derives the directory of an object from it and the name
DEVICE = "d1"
_STORAGE = tuple(part for part in SWIFT_PARTS if part != "proxy")


def write(plan: Plan, site: Site, region: str) -> None:
    """Write the configuration and rings of one region, and create the directory for its disk."""
    home = plan.swift_dir(region)
    (home / "devices" / DEVICE).mkdir(parents=True)
    (home / "recon").mkdir()
    (home / "swift.conf").write_text(f"""\
[swift-hash]
swift_hash_path_suffix = {HASH_AFFIX}
swift_hash_path_prefix = {HASH_AFFIX}
[storage-policy:0]
name = gold
default = yes
policy_type = replication
""")
    for part in _STORAGE:
        port = plan.port(region, part)
        (home / f"{part}-server.conf").write_text(_storage_server(home, part, port))
        write_ring(home / f"{part}.ring.gz", port)
    (home / "proxy-server.conf").write_text(_proxy_server(plan, site, region))


def _common(home: Path, port: int) -> str:
    return f"""\
[DEFAULT]
bind_ip = {HOST}
bind_port = {port}
swift_dir = {home}
devices = {home}/devices
mount_check = false
workers = 0
log_level = INFO
devcloud_log_file = {home}/swift.log
log_custom_handlers = devcloud.middleware.swiftlog.add_file
log_address = /nonexistent
disable_fallocate = true
fallocate_reserve = 0
"""


def _storage_server(home: Path, part: str, port: int) -> str:
    return f"""\
{_common(home, port)}
[pipeline:main]
pipeline = healthcheck recon {part}-server
[app:{part}-server]
use = egg:swift#{part}
{_OBJECT_OPTIONS if part == "object" else ""}
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:recon]
use = egg:swift#recon
recon_cache_path = {home}/recon
"""


_OBJECT_OPTIONS = """\
disk_chunk_size = 1048576
network_chunk_size = 1048576
keep_cache_size = 1099511627776
keep_cache_private = true
mb_per_sync = 1048576
container_update_timeout = 10
"""


def _proxy_server(plan: Plan, site: Site, region: str) -> str:
    home = plan.swift_dir(region)
    stock = (
        "catch_errors", "gatekeeper", "healthcheck", "listing_formats", "bulk", "keystoneauth",
        "copy", "container_quotas", "account_quotas", "slo", "dlo", "symlink",
    )  # fmt: skip
    tempurl = "" if site.has_tasks else "tempurl "
    options = {
        "keystoneauth": "operator_roles = admin, member\nreseller_admin_role = ResellerAdmin\n"
    }
    filters = "".join(
        f"[filter:{name}]\nuse = egg:swift#{name}\n{options.get(name, '')}" for name in stock
    )
    return f"""\
{_common(home, plan.port(region, "proxy"))}
eventlet_debug = false
[pipeline:main]
pipeline = accesslog faults catch_errors gatekeeper healthcheck cache listing_formats bulk \
{tempurl}authtoken keystoneauth copy container_quotas account_quotas slo dlo symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
object_chunk_size = 1048576
client_chunk_size = 1048576
account_autocreate = true
allow_account_management = true
# With one replica, suppressing a node for 60 s would suppress the whole cluster.
error_suppression_interval = 1
error_suppression_limit = 1000000
[filter:accesslog]
paste.filter_factory = devcloud.middleware.accesslog:filter_factory
path = {plan.access_log(region, "swift")}
[filter:faults]
paste.filter_factory = devcloud.middleware.faults:filter_factory
directory = {plan.faults_dir(region, "swift")}
[filter:cache]
paste.filter_factory = devcloud.middleware.localcache:filter_factory
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
delay_auth_decision = true
cache = swift.cache
include_service_catalog = false
{authtoken(plan, site, "swift", "object-store")}
[filter:tempurl]
use = egg:swift#tempurl
{filters}"""


def write_ring(path: Path, port: int) -> None:
    """Write a ring with one partition, one device and one replica.

    The format is that of swift.common.ring.RingData (version 1), whose import takes 0.2 s.
    """
    device = {
        "id": 0, "region": 1, "zone": 1, "ip": HOST, "port": port, "device": DEVICE,
        "weight": 1.0, "meta": "", "replication_ip": HOST, "replication_port": port,
    }  # fmt: skip
    ring = {"devs": [device], "part_shift": 32, "replica_count": 1, "byteorder": "little"}
    meta = json.dumps(ring, sort_keys=True).encode()
    with gzip.open(path, "wb") as file:
        file.write(b"R1NG" + struct.pack("!HI", 1, len(meta)) + meta + struct.pack("<H", 0))
