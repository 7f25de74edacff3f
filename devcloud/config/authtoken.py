# SPDX-License-Identifier: Apache-2.0
from devcloud.accounts import SERVICES, Account
from devcloud.plan import Plan, Site


def authtoken(plan: Plan, site: Site, user: str, service_type: str) -> str:
    """Return the options with which keystonemiddleware validates tokens.

    Together with a service token, an expired token of a user is accepted, so that a task may run
    longer than the token that started it is valid.
    """
    return f"""\
{login(plan, site, SERVICES[user])}
www_authenticate_uri = {plan.auth_url(site)}
service_type = {service_type}
service_token_roles = service
service_token_roles_required = true
interface = public
"""


def login(plan: Plan, site: Site, account: Account) -> str:
    """Return the options with which a service logs in."""
    return f"""\
auth_type = password
auth_url = {plan.auth_url(site)}
username = {account.name}
password = {account.password}
project_name = {account.project}
user_domain_id = default
project_domain_id = default"""
