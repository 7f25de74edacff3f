# SPDX-License-Identifier: Apache-2.0
"""The accounts of the cloud. Their passwords are public: the cloud listens on loopback only."""

import uuid
from dataclasses import dataclass

# One of the three roles with which the service allows tasks. Only the operator has `admin`, with
# which Glance and Keystone give access to all projects.
TASK_ADMIN = "identity:user-admin"


DEFAULT_DOMAIN = "Default"
FLEX_DOMAIN = "rackspace_cloud_domain"


@dataclass(frozen=True)
class ApplicationCredential:
    """Access to one project with the roles of a user, without the password of the user."""

    id: str
    secret: str


@dataclass(frozen=True)
class Account:
    """A user with one project and roles in it."""

    name: str
    project: str
    roles: tuple[str, ...]
    domain: str = DEFAULT_DOMAIN  # of the user and the project

    @property
    def password(self) -> str:
        return f"{self.name}-password"

    @property
    def api_key(self) -> str:
        """The API key that Identity v2.0 accepts in place of the password."""
        return f"{self.name}-api-key"

    @property
    def application_credential(self) -> ApplicationCredential:
        """The application credential of a user of the flex cloud."""
        return ApplicationCredential(
            uuid.uuid5(uuid.NAMESPACE_URL, self.name).hex, f"{self.name}-secret"
        )


OPERATOR = Account("admin", "admin", ("admin", "ResellerAdmin"))
USERS = (
    Account("alice", "acme", ("member", TASK_ADMIN)),
    Account("carol", "acme", ("member",)),
    Account("bob", "bobs", ("member", TASK_ADMIN)),
)
SMALL = Account("flex-small", "1000003_Flex", ("member",), FLEX_DOMAIN)
IMAGES_ONLY = Account("flex-images", "1000004_Flex", ("member",), FLEX_DOMAIN)
FLEX_USERS = (
    Account("flex", "1000001_Flex", ("member",), FLEX_DOMAIN),
    Account("flex-bob", "1000002_Flex", ("member",), FLEX_DOMAIN),
    Account("flex-carol", "1000005_Flex", ("member",), FLEX_DOMAIN),
    Account("flex-reader", "1000001_Flex", ("reader",), FLEX_DOMAIN),
    SMALL,
    IMAGES_ONLY,
)
SERVICES = {name: Account(name, "service", ("service",)) for name in ("glance", "swift")}
ACCOUNTS = {account.name: account for account in (OPERATOR, *USERS, *SERVICES.values())}
FLEX_ACCOUNTS = (OPERATOR, *FLEX_USERS, *SERVICES.values())
