# SPDX-License-Identifier: Apache-2.0
from typing import Any

import yaml

from devcloud.accounts import OPERATOR, USERS, Account
from devcloud.plan import Plan


def write(plan: Plan) -> None:
    """Write clouds.yaml for clients; the first region is the default of each cloud."""
    plan.clouds_yaml.write_text(yaml.safe_dump({"clouds": clouds(plan)}, sort_keys=False))


def clouds(plan: Plan) -> dict[str, Any]:
    """Return a cloud for each user with Keystone v3, and one for alice with an API key."""
    common = {
        "regions": list(plan.regions),
        "interface": "public",
        "image_api_version": "2",
        "image_tasks": {"poll_interval": 0.1},  # seconds; the service asks for 30
    }
    entries = {account.name: _v3(plan, account) | common for account in (*USERS, OPERATOR)}
    entries["alice-apikey"] = _api_key(plan, USERS[0]) | common
    return entries


def _v3(plan: Plan, account: Account) -> dict[str, Any]:
    return {
        "auth": {
            "auth_url": plan.auth_url,
            "username": account.name,
            "password": account.password,
            "project_name": account.project,
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        },
        "identity_api_version": "3",
    }


def _api_key(plan: Plan, account: Account) -> dict[str, Any]:
    return {
        "auth_type": "rackspace_apikey",
        "auth": {
            "auth_url": f"{plan.identity_url}/v2.0/",
            "username": account.name,
            "api_key": account.api_key,
        },
    }
