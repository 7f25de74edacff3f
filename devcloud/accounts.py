# SPDX-License-Identifier: Apache-2.0
"""Who may log in. The passwords are as public as this file: the cloud listens on loopback only."""

from dataclasses import dataclass

# One of the three roles that the service lets create tasks. Keystone's own `admin` stays the
# operator's: Glance and Keystone would let its bearer see and change every project.
TASK_ADMIN = "identity:user-admin"


@dataclass(frozen=True)
class Account:
    """A user, its one project and its roles there."""

    name: str
    project: str
    roles: tuple[str, ...]

    @property
    def password(self) -> str:
        return f"{self.name}-password"

    @property
    def api_key(self) -> str:
        """What the Identity v2.0 front takes in place of the password."""
        return f"{self.name}-api-key"


OPERATOR = Account("admin", "admin", ("admin", "ResellerAdmin"))
USERS = (
    Account("alice", "acme", ("member", TASK_ADMIN)),
    Account("carol", "acme", ("member",)),
    Account("bob", "bobs", ("member", TASK_ADMIN)),
)
SERVICES = tuple(Account(name, "service", ("service",)) for name in ("glance", "swift"))
ACCOUNTS = {account.name: account for account in (OPERATOR, *USERS, *SERVICES)}
