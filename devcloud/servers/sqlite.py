# SPDX-License-Identifier: Apache-2.0
"""SQLite with several threads: every transaction acquires the write lock when it begins.

A deferred transaction that reads and then writes fails immediately ("database is locked") if
another has written in between, regardless of the busy timeout. Keystone does this at the first
authentication of each user on a day, and the response is 500.
"""

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine


def install() -> None:
    """Begin all transactions of this process in immediate mode.

    The listener of oslo.db does nothing if `in_transaction` is set, and listeners on the class are
    called before it.
    """
    event.listen(Engine, "begin", _begin)


def _begin(connection: Connection) -> None:
    if connection.dialect.name == "sqlite" and "in_transaction" not in connection.info:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.info["in_transaction"] = True
