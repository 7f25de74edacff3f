# SPDX-License-Identifier: Apache-2.0
"""What the cloud's processes and its command take over from the caller's environment."""

from collections.abc import Mapping

from devcloud.plan import HOST, Plan

# oslotest's: they say how tests run, where all others with OS_ say how to log in.
_OF_TESTS = {
    "OS_DEBUG", "OS_LOG_CAPTURE", "OS_STDERR_CAPTURE", "OS_STDOUT_CAPTURE", "OS_TEST_TIMEOUT",
}  # fmt: skip


def for_server(caller: Mapping[str, str]) -> dict[str, str]:
    """Leave out the login to another cloud, of which services read some, and proxies to this one.

    A sourced openrc would be stronger than clouds.yaml.
    """
    kept = {k: v for k, v in caller.items() if not k.startswith("OS_") or k in _OF_TESTS}
    return kept | _direct(caller)


def for_command(caller: Mapping[str, str], plan: Plan, clouds: set[str]) -> dict[str, str]:
    """Point to the cloud; OS_CLOUD stays where it is one of `clouds`."""
    chosen = {"OS_CLOUD": caller["OS_CLOUD"]} if caller.get("OS_CLOUD") in clouds else {}
    own = {"OS_CLIENT_CONFIG_FILE": str(plan.clouds_yaml), "DEVCLOUD_ROOT": str(plan.root)}
    return for_server(caller) | chosen | own


def _direct(caller: Mapping[str, str]) -> dict[str, str]:
    """Say, in both spellings, that no proxy leads to the loopback."""
    named = {caller.get("no_proxy", ""), caller.get("NO_PROXY", "")} - {""}
    # A lone star stands for every host; in a list it would not.
    hosts = "*" if "*" in named else ",".join([*sorted(named), HOST, "localhost"])
    return {"no_proxy": hosts, "NO_PROXY": hosts}
