# SPDX-License-Identifier: Apache-2.0
"""Several Swift servers in one process."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devcloud.config.swift import DEVICE
from devcloud.plan import Plan


def preload() -> None:
    """Import the modules that every Swift server needs, once before the forks and first of all."""
    from swift.common import utils

    utils.monkey_patch()
    import keystonemiddleware.auth_token  # noqa: F401
    import swift.account.server
    import swift.common.middleware.keystoneauth
    import swift.container.server
    import swift.obj.server
    import swift.proxy.server  # noqa: F401


def serve(
    plan: Plan, region: str, sockets: dict[str, socket.socket], ready: Callable[[], None]
) -> None:
    """Run the servers whose sockets are given, and do not return."""
    from swift.common import concurrency

    home = plan.swift_dir(region)
    _configure(home)
    pool = concurrency.GreenPool()
    for part, sock in sockets.items():
        _spawn_server(pool, home, part, sock)
    if "container" in sockets:
        pool.spawn_n(_update_listings, home)
    ready()
    pool.waitall()


def _configure(home: Path) -> None:
    import eventlet
    from swift.common import concurrency, constraints, storage_policy, utils

    # All forks would share the epoll instance of their parent, and each event would wake them all.
    # (swift.common.wsgi.run_server does the same.)
    concurrency.hubs.use_hub(utils.get_hub())
    eventlet.monkey_patch(all=False, time=True)  # a fault that sleeps delays only its own request
    utils.set_swift_dir(str(home))
    storage_policy.reload_storage_policies()
    constraints.reload_constraints()
    os.environ["TZ"] = "UTC+0"
    utils.disable_fallocate()
    utils.FALLOCATE_RESERVE, utils.FALLOCATE_IS_PERCENT = 0, False


def _spawn_server(pool: Any, home: Path, part: str, sock: socket.socket) -> None:
    import eventlet.green.socket as green_socket
    from swift.common import concurrency, constraints, wsgi
    from swift.common.http_protocol import SwiftHttpProtocol
    from swift.common.utils.logs import NullLogger

    app = wsgi.loadapp(
        str(home / f"{part}-server.conf"), global_conf={"log_name": f"{part}-server"}
    )
    green = green_socket.fromfd(sock.fileno(), sock.family, sock.type)
    sock.close()
    pool.spawn_n(
        concurrency.wsgi.server,
        green,
        app,
        NullLogger(),
        custom_pool=wsgi.RestrictedGreenPool(size=1024),
        protocol=SwiftHttpProtocol,
        socket_timeout=60,
        capitalize_response_headers=False,
        url_length_limit=constraints.MAX_REQUEST_LINE,
    )


def _update_listings(home: Path, interval: float = 1.0) -> None:
    """Run the container and object updaters of Swift, without their forks.

    Without the first, the counts of an account stay 0. Without the second, an update of a listing
    that timed out is never repeated, and a Dynamic Large Object lacks a segment.
    """
    from swift.common import concurrency
    from swift.container.updater import ContainerUpdater
    from swift.obj.updater import ObjectUpdater

    containers = ContainerUpdater(_updater_options(home, "container", interval))
    containers.no_changes = containers.successes = containers.failures = 0
    containers.new_account_suppressions = None
    containers.account_suppression_time = 1
    objects = ObjectUpdater(_updater_options(home, "object", interval))
    device = home / "devices" / DEVICE
    while True:
        concurrency.sleep(interval)
        try:
            for path in containers.get_paths():
                containers.container_sweep(path)
            if any(entry.name.startswith("async_pending") for entry in device.iterdir()):
                objects.get_container_ring()
                objects.object_sweep(str(device))
        except Exception:
            containers.logger.exception("updater")


def _updater_options(home: Path, part: str, interval: float) -> dict[str, Any]:
    from swift.common.utils import readconf

    options = readconf(str(home / f"{part}-server.conf"), f"app:{part}-server")
    return options | {
        "log_name": f"{part}-updater",
        "log_level": "WARNING",
        "recon_cache_path": str(home / "recon"),
        "interval": interval,
    }
