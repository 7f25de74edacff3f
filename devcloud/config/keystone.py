# SPDX-License-Identifier: Apache-2.0
from devcloud.plan import Plan


def write(plan: Plan) -> None:
    """Write Keystone's configuration."""
    home = plan.keystone_dir
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
expiration = {plan.knobs.token_seconds}
# How long a user's token stays good beside a service's own one.
allow_expired_window = 172800
[fernet_tokens]
key_repository = {home}/fernet-keys
[fernet_receipts]
key_repository = {home}/fernet-keys
[credential]
key_repository = {home}/credential-keys
[identity]
# bcrypt at 2**4: 1 ms a password check where the default 2**12 takes 200 ms
password_hash_rounds = 4
[cache]
# Without it one token validation is some 400 queries, 0.45 s; with it 3 ms. Right only because
# there is one Keystone process. It is what Keystone's own tests use.
enabled = true
backend = dogpile.cache.memory
proxies = oslo_cache.testing.CacheIsolatingProxy
[oslo_policy]
policy_file = {home}/policy.yaml
""")
