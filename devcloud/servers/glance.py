# SPDX-License-Identifier: Apache-2.0
"""Glance in one process: schema and WSGI application."""

import os
from typing import TYPE_CHECKING

from devcloud.plan import Plan
from devcloud.servers import sqlite

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def preload() -> None:
    """Import the modules that every Glance server needs, once before the forks."""
    # Not devcloud.cloudimages: it changes Glance, and one of the servers runs without changes.
    import alembic.command  # noqa: F401
    import keystonemiddleware.auth_token  # noqa: F401
    import swiftclient  # noqa: F401
    from glance.api.v2 import router  # noqa: F401
    from glance.common import wsgi_app  # noqa: F401


def application(plan: Plan, region: str) -> "WSGIApplication":
    """Create the database of the region and return the application."""
    home = str(plan.glance_dir(region))
    os.environ["OS_GLANCE_CONFIG_DIR"] = home
    os.environ["OSLO_LOCK_PATH"] = home
    sqlite.install()
    _make_schema(home)
    from glance.api import common
    from glance.common import wsgi_app

    app: WSGIApplication = wsgi_app.init_app()
    # Otherwise the exit handler of Glance creates the pool, which raises an exception.
    common.get_thread_pool("tasks_pool")
    return app


def _make_schema(home: str) -> None:
    from alembic import command
    from glance.common import config
    from glance.db.sqlalchemy import alembic_migrations
    from oslo_config import cfg

    config.set_config_defaults()
    cfg.CONF(
        [],
        project="glance",
        prog="glance-api",
        default_config_files=[f"{home}/glance-api.conf"],
    )
    command.upgrade(alembic_migrations.get_alembic_config(), "heads")
