# SPDX-License-Identifier: Apache-2.0
"""The initial data of Keystone: accounts, regions, services and endpoints."""

import uuid
from collections.abc import Callable
from typing import Any

from keystone.cmd import bootstrap
from keystone.common import provider_api

from devcloud.accounts import ACCOUNTS, OPERATOR, Account
from devcloud.plan import Plan

_DOMAIN = "default"


def fill(plan: Plan) -> None:
    """Add the initial data to the Keystone of this process."""
    _bootstrap()
    _accounts()
    _catalog(plan)


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


def _accounts() -> None:
    apis = provider_api.ProviderAPIs
    projects = {p["name"]: p["id"] for p in apis.resource_api.list_projects()}
    roles = {r["name"]: r["id"] for r in apis.role_api.list_roles()}
    for account in ACCOUNTS.values():
        for role in set(account.roles) - roles.keys():
            roles[role] = uuid.uuid4().hex
            apis.role_api.create_role(roles[role], {"id": roles[role], "name": role})
        if account.project not in projects:
            projects[account.project] = _new(
                apis.resource_api.create_project,
                name=account.project, domain_id=_DOMAIN, description="",
            )  # fmt: skip
        _grant(account, projects[account.project], [roles[role] for role in account.roles])


def _grant(account: Account, project: str, roles: list[str]) -> None:
    assignments = provider_api.ProviderAPIs.assignment_api
    if account is OPERATOR:  # the bootstrap created this user with one of the roles
        identity = provider_api.ProviderAPIs.identity_api
        user = identity.get_user_by_name(OPERATOR.name, _DOMAIN)["id"]
    else:
        user = _create_user(account, project)
    for role in set(roles) - set(assignments.get_roles_for_user_and_project(user, project)):
        assignments.add_role_to_user_and_project(user_id=user, project_id=project, role_id=role)


def _create_user(account: Account, project: str) -> str:
    user = provider_api.ProviderAPIs.identity_api.create_user(
        {
            "name": account.name,
            "password": account.password,
            "domain_id": _DOMAIN,
            "default_project_id": project,
            "enabled": True,
        }
    )
    return str(user["id"])


def _catalog(plan: Plan) -> None:
    catalog = provider_api.ProviderAPIs.catalog_api
    for region in plan.regions:
        catalog.create_region({"id": region})
    services: tuple[tuple[str, str, Callable[[str], str]], ...] = (
        ("identity", "keystone", lambda _region: plan.auth_url),
        ("image", "cloudImages", plan.image_url),
        ("object-store", "cloudFiles", plan.object_url),
    )
    for kind, name, url in services:
        service = _new(catalog.create_service, type=kind, name=name)
        for region in plan.regions:
            for interface in ("public", "internal"):
                _new(
                    catalog.create_endpoint,
                    interface=interface, service_id=service, region_id=region, url=url(region),
                )  # fmt: skip
