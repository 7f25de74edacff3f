# SPDX-License-Identifier: Apache-2.0
"""The initial data of Keystone: accounts, regions, services and endpoints."""

import uuid
from collections.abc import Callable
from typing import Any

from keystone.cmd import bootstrap
from keystone.common import provider_api

from devcloud.accounts import (
    ACCOUNTS,
    FLEX_ACCOUNTS,
    FLEX_USERS,
    IMAGES_ONLY,
    OPERATOR,
    SMALL,
    Account,
)
from devcloud.plan import Plan, Site, endpoint_id

# Limits of a project of the flex cloud by resource; sizes are in MiB.
_LIMITS = {
    "image_size_total": 1 << 20,
    "image_stage_total": 1 << 20,
    "image_count_total": 10_000,
    "image_count_uploading": 100,
}
_SMALL_MIB = 16


def fill(plan: Plan, site: Site) -> None:
    """Add the initial data to the Keystone of this process."""
    _bootstrap()
    if site.has_tasks:
        _accounts(tuple(ACCOUNTS.values()))
        _catalog(plan, site, "cloudImages", "cloudFiles")
        return
    projects = _accounts(FLEX_ACCOUNTS)
    image_service = _catalog(plan, site, "glance", "swift")
    for account in FLEX_USERS:
        _application_credential(account, projects[account.project])
    for region in site.regions:
        _limits(image_service, region, projects[SMALL.project])
        _hide_object_store(region, projects[IMAGES_ONLY.project])


class _Bootstrap(bootstrap.Bootstrapper):
    """The bootstrap of Keystone, without loading the backends again."""

    def __init__(self) -> None:
        self.service_role_name = "service"
        self.reader_role_name = "reader"
        self.member_role_name = "member"
        self.manager_role_name = "manager"
        self.admin_role_name = "admin"
        self.admin_username, self.admin_password = OPERATOR.name, OPERATOR.password
        self.project_name = OPERATOR.project
        self.service_name = "keystone"
        self.public_url = self.internal_url = self.admin_url = None
        self.endpoints: dict[str, str] = {}
        self.region_id = None
        self.immutable_roles = False


def _bootstrap() -> None:
    _Bootstrap().bootstrap()


def _new(create: Callable[[str, dict[str, Any]], Any], **values: Any) -> str:
    new_id = uuid.uuid4().hex
    create(new_id, {**values, "id": new_id, "enabled": True})
    return new_id


def _accounts(accounts: tuple[Account, ...]) -> dict[str, str]:
    """Create domains, projects, roles and users, and return the ID of each project."""
    apis = provider_api.ProviderAPIs
    domains = {d["name"]: d["id"] for d in apis.resource_api.list_domains()}
    projects = {p["name"]: p["id"] for p in apis.resource_api.list_projects()}
    roles = {r["name"]: r["id"] for r in apis.role_api.list_roles()}
    for account in accounts:
        for role in set(account.roles) - roles.keys():
            roles[role] = uuid.uuid4().hex
            apis.role_api.create_role(roles[role], {"id": roles[role], "name": role})
        if account.domain not in domains:
            domains[account.domain] = _new(apis.resource_api.create_domain, name=account.domain)
        domain = domains[account.domain]
        if account.project not in projects:
            projects[account.project] = _new(
                apis.resource_api.create_project,
                name=account.project, domain_id=domain, description="",
            )  # fmt: skip
        user = _user(account, domain, projects[account.project])
        _grant(user, projects[account.project], [roles[role] for role in account.roles])
    return projects


def _user(account: Account, domain: str, project: str) -> str:
    identity = provider_api.ProviderAPIs.identity_api
    if account is OPERATOR:  # the bootstrap created this user with one of the roles
        return str(identity.get_user_by_name(OPERATOR.name, domain)["id"])
    user = identity.create_user(
        {
            "name": account.name,
            "password": account.password,
            "domain_id": domain,
            "default_project_id": project,
            "enabled": True,
        }
    )
    return str(user["id"])


def _grant(user: str, project: str, roles: list[str]) -> None:
    assignments = provider_api.ProviderAPIs.assignment_api
    for role in set(roles) - set(assignments.get_roles_for_user_and_project(user, project)):
        assignments.add_role_to_user_and_project(user_id=user, project_id=project, role_id=role)


def _catalog(plan: Plan, site: Site, image_name: str, object_store_name: str) -> str:
    """Create the regions, services and endpoints, and return the ID of the image service."""
    catalog = provider_api.ProviderAPIs.catalog_api
    for region in site.regions:
        catalog.create_region({"id": region})
    services: tuple[tuple[str, str, Callable[[str], str]], ...] = (
        ("identity", "keystone", lambda _region: plan.auth_url(site)),
        ("image", image_name, plan.image_url),
        ("object-store", object_store_name, plan.object_url),
    )
    ids = {}
    for kind, name, url in services:
        ids[kind] = _new(catalog.create_service, type=kind, name=name)
        for region in site.regions:
            for interface in ("public", "internal"):
                new_id = endpoint_id(kind, region, interface)
                endpoint = {
                    "id": new_id, "interface": interface, "service_id": ids[kind],
                    "region_id": region, "url": url(region), "enabled": True,
                }  # fmt: skip
                catalog.create_endpoint(new_id, endpoint)
    return ids["image"]


def _application_credential(account: Account, project: str) -> None:
    apis = provider_api.ProviderAPIs
    domain = apis.resource_api.get_project(project)["domain_id"]
    roles = {r["name"]: r["id"] for r in apis.role_api.list_roles()}
    credential = account.application_credential
    apis.application_credential_api.create_application_credential(
        {
            "id": credential.id,
            "name": account.name,
            "secret": credential.secret,
            "user_id": apis.identity_api.get_user_by_name(account.name, domain)["id"],
            "project_id": project,
            # The role `member` implies `reader`; a credential contains the implied roles, too.
            "roles": [{"id": roles[role]} for role in {*account.roles, "reader"}],
            "unrestricted": False,
        }
    )


def _limits(service: str, region: str, small_project: str) -> None:
    """Set the quotas of all projects, and a smaller one for the image data of one project."""
    limits = provider_api.ProviderAPIs.unified_limit_api
    place = {"service_id": service, "region_id": region}
    limits.create_registered_limits(
        [
            place | {"id": uuid.uuid4().hex, "resource_name": name, "default_limit": limit}
            for name, limit in _LIMITS.items()
        ]
    )
    small = {"resource_name": "image_size_total", "resource_limit": _SMALL_MIB}
    limits.create_limits(
        [place | small | {"id": uuid.uuid4().hex, "project_id": small_project, "domain_id": None}]
    )


def _hide_object_store(region: str, project: str) -> None:
    """Associate a project with some endpoints: its catalog does not contain any others."""
    catalog = provider_api.ProviderAPIs.catalog_api
    for kind in ("identity", "image"):
        for interface in ("public", "internal"):
            catalog.add_endpoint_to_project(endpoint_id(kind, region, interface), project)
