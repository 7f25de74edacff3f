# SPDX-License-Identifier: Apache-2.0
from devcloud.accounts import ACCOUNTS
from devcloud.plan import Plan


def authtoken(plan: Plan, user: str, service_type: str) -> str:
    """Return keystonemiddleware's options, by which a service judges tokens.

    Beside a service's token a user's own one is good after it expired, so that a task may outlast
    the token that started it.
    """
    account = ACCOUNTS[user]
    return f"""\
auth_type = password
auth_url = {plan.auth_url}
www_authenticate_uri = {plan.auth_url}
username = {account.name}
password = {account.password}
project_name = {account.project}
user_domain_id = default
project_domain_id = default
service_type = {service_type}
service_token_roles = service
service_token_roles_required = true
interface = public
"""
