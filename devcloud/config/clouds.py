# SPDX-License-Identifier: Apache-2.0
from typing import Any

import yaml

from devcloud.accounts import FLEX_USERS, OPERATOR, USERS, Account
from devcloud.plan import Plan, Site


def write(plan: Plan) -> None:
    """Write clouds.yaml for clients; the first region is the default of each cloud."""
    plan.clouds_yaml.write_text(yaml.safe_dump({"clouds": clouds(plan)}, sort_keys=False))


def clouds(plan: Plan) -> dict[str, Any]:
    """Return an entry for each user of each site."""
    entries: dict[str, Any] = {}
    for site in plan.sites:
        entries |= _with_tasks(plan, site) if site.has_tasks else _flex(plan, site)
    return entries


def _with_tasks(plan: Plan, site: Site) -> dict[str, Any]:
    """Return an entry for each user with Keystone v3, and one for alice with an API key.

    The entry of alice does not tell that the cloud has image tasks; the others do.
    """
    common = _common() | {"regions": list(site.regions)}
    told = common | {"image_api_use_tasks": True}
    entries = {
        account.name: _password(plan, site, account) | told for account in (*USERS, OPERATOR)
    }
    entries[USERS[0].name] = _password(plan, site, USERS[0]) | common
    entries["alice-apikey"] = _api_key(plan, site, USERS[0]) | told
    return entries


def _flex(plan: Plan, site: Site) -> dict[str, Any]:
    """Return an entry with an application credential for each user, and one for the operator."""
    common = _common() | {"region_name": site.regions[0]}
    common["image_tasks"] |= {"profile": "flex"}
    entries = {
        account.name: _application_credential(plan, site, account) | common
        for account in FLEX_USERS
    }
    entries["flex-admin"] = _password(plan, site, OPERATOR) | common
    return entries


def _common() -> dict[str, Any]:
    return {
        "interface": "public",
        "image_api_version": "2",
        "image_tasks": {"poll_interval": 0.1},  # seconds; the service asks for 30
    }


def _password(plan: Plan, site: Site, account: Account) -> dict[str, Any]:
    return {
        "auth": {
            "auth_url": plan.auth_url(site),
            "username": account.name,
            "password": account.password,
            "project_name": account.project,
            "user_domain_name": account.domain,
            "project_domain_name": account.domain,
        },
        "identity_api_version": "3",
    }


def _application_credential(plan: Plan, site: Site, account: Account) -> dict[str, Any]:
    credential = account.application_credential
    return {
        "auth_type": "v3applicationcredential",
        "auth": {
            "auth_url": plan.auth_url(site),
            "application_credential_id": credential.id,
            "application_credential_secret": credential.secret,
        },
        "identity_api_version": "3",
    }


def _api_key(plan: Plan, site: Site, account: Account) -> dict[str, Any]:
    return {
        "auth_type": "rackspace_apikey",
        "auth": {
            "auth_url": f"{plan.identity_url(site)}/v2.0/",
            "username": account.name,
            "api_key": account.api_key,
        },
    }
