#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""The disk_inspect_info module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_inspect_info
short_description: Look inside a disk and check that it will work in a cloud
version_added: 0.1.0
author: The rackspace-imagetasks developers (!UNKNOWN)
description:
  - Reads what is inside a disk image file, an object or an image, and checks that a server that is
    created from it will work in a cloud.
  - Nothing is changed, and only a few ranges are read, whatever the size of the disk.
extends_documentation_fragment:
  - rackspace.imagetasks.cloud
options:
  path:
    description:
      - Path of a disk image file on the host that runs the module.
      - Exactly one of O(path), O(object) and O(image) is required.
    type: path
  object:
    description:
      - Object to inspect, as C(container/object).
    type: str
  image:
    description:
      - Name or ID of an image to inspect, in a cloud without image tasks.
    type: str
  target:
    description:
      - Kind of cloud in which the disk must work. By default, it is that of O(cloud). With O(path)
        and O(target), no cloud is needed. V(glance) is any cloud with KVM.
    type: str
    choices: [rackspace, glance, flex]
  deep:
    description:
      - Whether to read the contents of the initramfs, too, to find the drivers in it.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Inspect a disk image file
  rackspace.imagetasks.disk_inspect_info:
    path: /var/lib/images/web.qcow2
    target: flex
  register: web

- name: Require that the disk will work
  ansible.builtin.assert:
    that: web.disk.is_ready
    fail_msg: "{{ web.disk.verdict }}"
"""

RETURN = r"""
disk:
  description: What is known about the disk.
  returned: success
  type: dict
  contains:
    is_ready:
      description: Whether no error was found.
      type: bool
      sample: true
    target:
      description: Kind of cloud for which the disk was checked.
      type: str
      sample: KVM
    verdict:
      description: The result of the checks in a sentence.
      type: str
      sample: Ready for KVM
    findings:
      description: What matters for the target, the most severe first.
      type: list
      elements: dict
    facts:
      description: What is inside the disk, such as its size, volumes and operating systems.
      type: dict
"""

from typing import TYPE_CHECKING, Any

from ansible_collections.rackspace.imagetasks.plugins.module_utils.image_tasks import (
    CLOUD_OPTIONS,
    Module,
    Session,
    plain,
    run,
)

if TYPE_CHECKING:
    from rackspace_imagetasks import DiskFacts, ProviderProfile

OPTIONS: dict[str, Any] = {
    "path": {"type": "path"},
    "object": {"type": "str"},
    "image": {"type": "str"},
    "target": {"type": "str", "choices": ["rackspace", "glance", "flex"]},
    "deep": {"type": "bool", "default": False},
}


def inspect(session: Session) -> dict[str, Any]:
    """Return what is inside the disk, and whether it is ready."""
    from rackspace_imagetasks import judge_readiness

    facts = _facts(session)
    readiness = judge_readiness(facts, _profile(session))
    return {
        "changed": False,
        "disk": {
            "is_ready": readiness.is_ready,
            "target": readiness.target,
            "verdict": readiness.verdict,
            "findings": plain(readiness.findings),
            "facts": plain(facts),
        },
    }


def _facts(session: Session) -> DiskFacts:
    from rackspace_imagetasks import ObjectName, inspect_disk, open_source

    params, deep = session.params, session.params["deep"]
    if params["object"] is not None:
        return session.connect().inspect_object(ObjectName.parse(params["object"]), deep=deep)
    if params["image"] is not None:
        return session.connect().inspect_image(params["image"], deep=deep)
    with open_source(params["path"]) as disk:
        return inspect_disk(disk, deep=deep)


def _profile(session: Session) -> ProviderProfile:
    from rackspace_imagetasks.profile import PROFILES

    target = session.params["target"]
    return PROFILES[target] if target else session.connect().cloud.profile


def main() -> None:
    """Run the module."""
    sources = ("path", "object", "image")
    module = Module(
        argument_spec=CLOUD_OPTIONS | OPTIONS,
        mutually_exclusive=[sources],
        required_one_of=[sources],
        supports_check_mode=True,
    )
    run(module, inspect)


if __name__ == "__main__":
    main()
