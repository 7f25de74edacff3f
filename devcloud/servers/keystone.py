# SPDX-License-Identifier: Apache-2.0
"""Keystone in one process: schema, keys, initial data, and the Identity API v2.0."""

import io
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from devcloud.plan import Plan, Site
from devcloud.servers import identity_v2, nosaml, sqlite

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def preload() -> None:
    """Import the modules that every Keystone needs, once before the forks."""
    nosaml.install()
    from keystone.common.sql import upgrades  # noqa: F401
    from keystone.server.flask import application, core  # noqa: F401

    from devcloud.servers import seed  # noqa: F401


def application(plan: Plan, site: Site) -> "WSGIApplication":
    """Create the database with its initial data and return the application."""
    os.environ["OSLO_LOCK_PATH"] = str(plan.keystone_dir(site))
    sqlite.install()
    import keystone.server
    from keystone.common.sql import upgrades
    from keystone.server.flask import application as flask_application
    from keystone.server.flask import core

    from devcloud.servers import seed

    keystone.server.configure(config_files=[str(plan.keystone_dir(site) / "keystone.conf")])
    upgrades.offline_sync_database_to_version()
    _make_keys()
    _drivers, app = keystone.server.setup_backends(
        startup_application_fn=lambda: flask_application.application_factory("public")
    )
    app = core.setup_app_middleware(app)
    seed.fill(plan, site)
    app = _one_at_a_time(app)
    return identity_v2.with_identity_v2(app) if site.has_tasks else app


def _make_keys() -> None:
    import keystone.conf
    from keystone.common import fernet_utils

    conf = keystone.conf.CONF
    for repository, count, namespace in (
        (conf.fernet_tokens.key_repository, conf.fernet_tokens.max_active_keys, "fernet_tokens"),
        (conf.credential.key_repository, 3, "credential"),
    ):
        Path(repository).mkdir(mode=0o700)
        keys = fernet_utils.FernetUtils(repository, count, namespace)
        keys.create_key_directory()
        keys.initialize_key_repository()


def _one_at_a_time(app: "WSGIApplication") -> "WSGIApplication":
    """Return an application that handles one request at a time.

    The first requests to Keystone race: while its policies are loaded, a response may be 403. A
    request takes 3 to 15 ms and calls no other service, so the lock costs little.
    """
    lock = threading.Lock()

    def locked(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        # Read from slow clients without the lock.
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        with lock:
            return [b"".join(app(environ, start_response))]

    return locked
