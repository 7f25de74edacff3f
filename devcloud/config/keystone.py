# SPDX-License-Identifier: Apache-2.0
from devcloud.plan import Plan, Site


def write(plan: Plan, site: Site) -> None:
    """Write the configuration of the Keystone of a site."""
    home = plan.keystone_dir(site)
    home.mkdir()
    (home / "policy.yaml").write_text("{}\n")
    (home / "keystone.conf").write_text(f"""\
[DEFAULT]
log_file = {home}/keystone.log
use_stderr = false
[database]
connection = sqlite:///{home}/keystone.db?timeout=60
sqlite_synchronous = false
[token]
provider = fernet
expiration = {plan.settings.token_seconds}
# How long an expired token is accepted together with a service token.
allow_expired_window = 172800
[fernet_tokens]
key_repository = {home}/fernet-keys
[fernet_receipts]
key_repository = {home}/fernet-keys
[credential]
key_repository = {home}/credential-keys
[identity]
# bcrypt with 2**4 rounds takes 1 ms for a password, with the default 2**12 it takes 200 ms
password_hash_rounds = 4
[cache]
# The validation of a token takes 3 ms instead of 0.45 s (some 400 queries). A cache in memory is
# correct for a single Keystone process only. Keystone's own tests use it.
enabled = true
backend = dogpile.cache.memory
proxies = oslo_cache.testing.CacheIsolatingProxy
[oslo_policy]
policy_file = {home}/policy.yaml
""")
