# SPDX-License-Identifier: Apache-2.0
"""Keystone in one process: schema, keys, seed data, and the v2.0 front before it."""

import io
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from devcloud.plan import Plan
from devcloud.servers import identity_v2, nosaml, sqlite

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def application(plan: Plan) -> "WSGIApplication":
    """Make the database, fill it, and give the application on it."""
    os.environ["OSLO_LOCK_PATH"] = str(plan.keystone_dir)
    nosaml.install()
    sqlite.install()
    import keystone.server
    from keystone.common.sql import upgrades
    from keystone.server.flask import application as flask_application
    from keystone.server.flask import core

    from devcloud.servers import seed

    keystone.server.configure(config_files=[str(plan.keystone_dir / "keystone.conf")])
    upgrades.offline_sync_database_to_version()
    _make_keys()
    _drivers, app = keystone.server.setup_backends(
        startup_application_fn=lambda: flask_application.application_factory("public")
    )
    app = core.setup_app_middleware(app)
    seed.fill(plan)
    return identity_v2.front(_one_at_a_time(app))


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
    """Let one request in at a time: Keystone's first ones race (policies half loaded: a 403).

    It answers in 3 to 15 ms and calls nobody, so a lock costs nothing here.
    """
    lock = threading.Lock()

    def locked(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        # A slow client is read before the lock is taken.
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        with lock:
            return [b"".join(app(environ, start_response))]

    return locked
