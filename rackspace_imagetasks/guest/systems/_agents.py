# SPDX-License-Identifier: Apache-2.0
"""Programs in a Linux system that set up or serve a virtual machine."""

from collections.abc import Iterator

from rackspace_imagetasks.guest.facts import Agent, AgentKind
from rackspace_imagetasks.guest.systems.files import SystemFiles

_PATHS = {
    AgentKind.NOVA_AGENT: (
        "/usr/sbin/nova-agent", "/usr/bin/nova-agent", "/usr/local/bin/nova-agent",
        "/etc/init.d/nova-agent",
    ),
    AgentKind.XE_GUEST_UTILITIES: ("/usr/sbin/xe-daemon", "/usr/sbin/xe-linux-distribution"),
    AgentKind.QEMU_GUEST_AGENT: ("/usr/sbin/qemu-ga", "/usr/bin/qemu-ga"),
}  # fmt: skip


def agents_of(files: SystemFiles) -> Iterator[Agent]:
    """Yield the agents that are installed."""
    for kind, paths in _PATHS.items():
        if path := files.first(paths):
            yield Agent(kind, files.place(path))
