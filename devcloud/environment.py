# SPDX-License-Identifier: Apache-2.0
"""What the cloud's processes and its command take over from the caller's environment."""

from collections.abc import Mapping

from devcloud.plan import Plan

# oslotest's: they say how tests run, where all others with OS_ say how to log in.
_OF_TESTS = {
    "OS_DEBUG", "OS_LOG_CAPTURE", "OS_STDERR_CAPTURE", "OS_STDOUT_CAPTURE", "OS_TEST_TIMEOUT",
}  # fmt: skip


def for_server(caller: Mapping[str, str]) -> dict[str, str]:
    """Leave out the login to another cloud, of which services read some.

    A sourced openrc would be stronger than clouds.yaml.
    """
    return {k: v for k, v in caller.items() if not k.startswith("OS_") or k in _OF_TESTS}


def for_command(caller: Mapping[str, str], plan: Plan, clouds: set[str]) -> dict[str, str]:
    """Point to the cloud; OS_CLOUD stays where it is one of `clouds`."""
    chosen = {"OS_CLOUD": caller["OS_CLOUD"]} if caller.get("OS_CLOUD") in clouds else {}
    own = {"OS_CLIENT_CONFIG_FILE": str(plan.clouds_yaml), "DEVCLOUD_ROOT": str(plan.root)}
    return for_server(caller) | chosen | own
