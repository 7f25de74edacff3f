# SPDX-License-Identifier: Apache-2.0
"""The accounts of the cloud. Their passwords are public: the cloud listens on loopback only."""

from dataclasses import dataclass

# One of the three roles with which the service allows tasks. Only the operator has `admin`, with
# which Glance and Keystone give access to all projects.
TASK_ADMIN = "identity:user-admin"


@dataclass(frozen=True)
class Account:
    """A user with one project and roles in it."""

    name: str
    project: str
    roles: tuple[str, ...]

    @property
    def password(self) -> str:
        return f"{self.name}-password"

    @property
    def api_key(self) -> str:
        """The API key that Identity v2.0 accepts in place of the password."""
        return f"{self.name}-api-key"


OPERATOR = Account("admin", "admin", ("admin", "ResellerAdmin"))
USERS = (
    Account("alice", "acme", ("member", TASK_ADMIN)),
    Account("carol", "acme", ("member",)),
    Account("bob", "bobs", ("member", TASK_ADMIN)),
)
SERVICES = tuple(Account(name, "service", ("service",)) for name in ("glance", "swift"))
ACCOUNTS = {account.name: account for account in (OPERATOR, *USERS, *SERVICES)}
