# SPDX-License-Identifier: Apache-2.0
"""SQLite under threads: every transaction takes the write lock when it begins.

A deferred BEGIN that turns from reading to writing fails at once, whatever the busy timeout, where
another has written since ("database is locked"). Keystone does that at each user's first login of
the day, and the login that loses is answered 500.
"""

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine


def install() -> None:
    """Change how every engine of this process begins.

    oslo.db's own listener stands aside where `in_transaction` is set, and listeners on the class
    are called before it.
    """
    event.listen(Engine, "begin", _begin)


def _begin(connection: Connection) -> None:
    if connection.dialect.name == "sqlite" and "in_transaction" not in connection.info:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.info["in_transaction"] = True
