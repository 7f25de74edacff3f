# SPDX-License-Identifier: Apache-2.0
"""Network configuration of a Linux system that fits one server alone."""

import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

from rackspace_imagetasks.guest.facts import Seen
from rackspace_imagetasks.guest.systems.files import SystemFiles, cut

_MAX_FILES = 100
_MAX_FINDINGS = 50


class _Source(NamedTuple):
    """A kind of configuration: where it is, and what in it binds the system to a server.

    :ivar path: a file, or a directory with the prefix and suffix of the names of its files.
    :ivar hardware: matches a setting that applies to a single network card.
    :ivar address: matches a setting of an address that does not come from the network.
    """

    path: str
    hardware: re.Pattern[str]
    address: re.Pattern[str] | None = None
    prefix: str = ""
    suffix: str = ""


_SOURCES = (
    _Source(
        "/etc/udev/rules.d/70-persistent-net.rules",
        hardware=re.compile(r".*ATTRS?\{address\}=="),
    ),
    _Source(
        "/etc/sysconfig/network-scripts",
        hardware=re.compile(r"HWADDR=[\"']?[0-9A-Fa-f]"),
        address=re.compile(r"IPADDR[0-9]*=[\"']?[0-9]"),
        prefix="ifcfg-",
    ),
    _Source(
        "/etc/sysconfig/network",
        hardware=re.compile(r"LLADDR=[\"']?[0-9A-Fa-f]"),
        address=re.compile(r"IPADDR(_\w+)?=[\"']?[0-9]"),
        prefix="ifcfg-",
    ),
    _Source(
        "/etc/netplan",
        hardware=re.compile(r"macaddress\s*:"),
        address=re.compile(r"addresses\s*:.*[0-9]|-\s*[\"']?[0-9][0-9.]*/[0-9]+"),
        suffix=".yaml",
    ),
    _Source(
        "/etc/network/interfaces",
        hardware=re.compile(r"hwaddress\s"),
        address=re.compile(r"address\s+[0-9]"),
    ),
    _Source(
        "/etc/network/interfaces.d",
        hardware=re.compile(r"hwaddress\s"),
        address=re.compile(r"address\s+[0-9]"),
    ),
    _Source(
        "/etc/NetworkManager/system-connections",
        hardware=re.compile(r"mac-address="),
        address=re.compile(r"address[0-9]+="),
    ),
    _Source(
        "/etc/systemd/network",
        hardware=re.compile(r"(?:PermanentMACAddress|MACAddress)\s*="),
        address=re.compile(r"Address\s*="),
    ),
)
_LOOPBACK = re.compile(r"127\.|::1\b")
_WRITTEN_BY_CLOUD_INIT = "50-cloud-init"


def network_of(files: SystemFiles, *, has_cloud_init: bool) -> tuple[list[Seen], list[Seen]]:
    """Return the settings that bind the system to hardware, and those that set addresses.

    :param has_cloud_init: whether cloud-init replaces the files that it has written.
    """
    hardware: list[Seen] = []
    addresses: list[Seen] = []
    for source in _SOURCES:
        for path in itertools.islice(_paths(files, source), _MAX_FILES):
            if has_cloud_init and _WRITTEN_BY_CLOUD_INIT in path:
                continue
            hardware += _seen(files, path, source.hardware)
            addresses += _seen(files, path, source.address)
    return hardware[:_MAX_FINDINGS], addresses[:_MAX_FINDINGS]


def _paths(files: SystemFiles, source: _Source) -> Iterator[str]:
    yield source.path
    for path in files.paths(source.path, source.suffix):
        if path.rpartition("/")[2].startswith(source.prefix):
            yield path


def _seen(files: SystemFiles, path: str, pattern: re.Pattern[str] | None) -> Iterator[Seen]:
    """Yield the first line of a file that matches a pattern."""
    if pattern is None:
        return
    for line in files.lines(path):
        if pattern.match(line) and not _LOOPBACK.search(line):
            yield Seen(cut(line), files.place(path))
            return
