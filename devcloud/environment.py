# SPDX-License-Identifier: Apache-2.0
"""The environment variables of the servers and of the command."""

from collections.abc import Mapping

from devcloud.plan import HOST, Plan

# Variables of oslotest; all others that begin with OS_ are credentials.
_OF_TESTS = {
    "OS_DEBUG", "OS_LOG_CAPTURE", "OS_STDERR_CAPTURE", "OS_STDOUT_CAPTURE", "OS_TEST_TIMEOUT",
}  # fmt: skip


def for_server(caller: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without credentials for another cloud and proxies for this one.

    The variables of an openrc file would take precedence over clouds.yaml, and services read some.
    """
    kept = {k: v for k, v in caller.items() if not k.startswith("OS_") or k in _OF_TESTS}
    return kept | _direct(caller)


def for_command(caller: Mapping[str, str], plan: Plan, clouds: set[str]) -> dict[str, str]:
    """Return the environment of a command: OS_CLOUD is kept if it names one of `clouds`."""
    chosen = {"OS_CLOUD": caller["OS_CLOUD"]} if caller.get("OS_CLOUD") in clouds else {}
    own = {"OS_CLIENT_CONFIG_FILE": str(plan.clouds_yaml), "DEVCLOUD_ROOT": str(plan.root)}
    return for_server(caller) | chosen | own


def _direct(caller: Mapping[str, str]) -> dict[str, str]:
    """Exclude loopback from proxies, in both spellings of the variable."""
    named = {caller.get("no_proxy", ""), caller.get("NO_PROXY", "")} - {""}
    # An asterisk matches all hosts only if it stands alone.
    hosts = "*" if "*" in named else ",".join([*sorted(named), HOST, "localhost"])
    return {"no_proxy": hosts, "NO_PROXY": hosts}
