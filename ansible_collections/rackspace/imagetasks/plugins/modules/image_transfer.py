#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""The image_transfer module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_transfer
short_description: Transfer an image to other regions or clouds
version_added: 0.1.0
author: The rackspace-imagetasks developers (!UNKNOWN)
description:
  - Transfers an image to one or more regions or clouds, with its name, properties and tags.
  - An image that already exists at a target because of an earlier transfer is not transferred
    again. If the module is interrupted, repeat it; it continues where it stopped.
  - The image is exported once and read once, and sent to all targets at the same time.
  - A target that fails does not stop the transfers to the other targets. The module fails at the
    end and names all targets that failed.
extends_documentation_fragment:
  - rackspace.imagetasks.cloud
  - rackspace.imagetasks.cloud.timeout
options:
  image:
    description:
      - Name or ID of the image in O(cloud) and O(region_name).
    type: str
    required: true
  targets:
    description:
      - Where to transfer the image to.
    type: list
    elements: dict
    required: true
    suboptions:
      cloud:
        description:
          - Name of the cloud in C(clouds.yaml), or a mapping of its settings as in O(cloud). By
            default, it is the cloud of the image.
        type: raw
      region_name:
        description:
          - Name of the region. By default, it is that of the entry of O(targets[].cloud), or the
            region of the image if O(targets[].cloud) is not set.
        type: str
  keep_objects:
    description:
      - Whether to keep the exported and the staged object.
    type: bool
    default: false
  keep_properties:
    description:
      - Whether to keep properties that apply to the hypervisor of the source only. By default, they
        are adapted to the target.
    type: bool
    default: false
  target_properties:
    description:
      - Properties of the copy, which take precedence over those of the image. A copy that exists is
        not changed.
    type: dict
    default: {}
  disk_format:
    description:
      - Format of the copy. By default, it is the format that the target uses.
    type: str
    choices: [qcow2, raw, vhd]
  method:
    description:
      - How a target without image tasks gets the data.
    type: str
    choices: [auto, direct, web-download]
    default: auto
  inspect:
    description:
      - Whether to look inside the disk before it is sent.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Transfer an image to another region and to another cloud
  rackspace.imagetasks.image_transfer:
    cloud: mycloud
    region_name: DFW
    image: web
    targets:
      - region_name: ORD
      - cloud: flex
        region_name: SJC3
"""

RETURN = r"""
transfers:
  description: One entry for each target, in the order of O(targets).
  returned: success, or if the transfer to a target failed
  type: list
  elements: dict
  contains:
    cloud:
      description: Name of the cloud of the target as given in O(targets[].cloud); V(null) if it is
        not a name.
      type: str
      sample: flex
    region_name:
      description: Region of the target.
      type: str
      sample: SJC3
    status:
      description: V(transferred), V(already there), V(failed), V(in progress) after a time-out, or
        V(not started) in check mode.
      type: str
      sample: transferred
    image_id:
      description: ID of the image at the source; V(null) if it is not known.
      type: str
      sample: 493f40e8-c9b0-42f9-8d3f-0bdd14fd6fed
    name:
      description: Name of the image.
      type: str
      sample: web
    target_image_id:
      description: ID of the copy; V(null) if there is none yet.
      type: str
      sample: 0e12dd37-1dcc-47e5-932e-da918e7348d1
    properties:
      description: In check mode, properties that the copy will get, as far as they are known.
      type: dict
      sample: {os_type: linux}
    msg:
      description: Why the transfer failed; empty if it did not.
      type: str
      sample: ''
"""

from typing import TYPE_CHECKING, Any

from ansible_collections.rackspace.imagetasks.plugins.module_utils.image_tasks import (
    CLOUD_OPTIONS,
    TIMEOUT_OPTIONS,
    Module,
    Session,
    cloud_name,
    errors,
    plain,
    run,
    worded_error,
)

if TYPE_CHECKING:
    from rackspace_imagetasks import CopyOptions, ImageTasks, TransferResult

OPTIONS: dict[str, Any] = {
    "image": {"type": "str", "required": True},
    "targets": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {"cloud": {"type": "raw"}, "region_name": {"type": "str"}},
    },
    "keep_objects": {"type": "bool", "default": False},
    "keep_properties": {"type": "bool", "default": False},
    "target_properties": {"type": "dict", "default": {}},
    "disk_format": {"type": "str", "choices": ["qcow2", "raw", "vhd"]},
    "method": {"type": "str", "choices": ["auto", "direct", "web-download"], "default": "auto"},
    "inspect": {"type": "bool", "default": True},
}

_UNCHANGED = ("already there", "failed")


def transfer_image(session: Session) -> dict[str, Any]:
    """Transfer the image to each target, or return the expected results in check mode."""
    transfers = _transfer_to_each(session)
    failures = [f"{_title(each)}: {each['msg']}" for each in transfers if each["msg"]]
    return {
        "changed": any(each["status"] not in _UNCHANGED for each in transfers),
        "diff": _diff(transfers),
        "transfers": transfers,
        **({"failed": True, "msg": "\n".join(failures)} if failures else {}),
    }


def _transfer_to_each(session: Session) -> list[dict[str, Any]]:
    """Transfer the image to all targets at the same time; return an entry for each."""
    source = session.connect()
    given = session.params["targets"]
    names = [str(given.index(target)) for target in given]
    targets, failures = _connected(session, dict(zip(names, given, strict=True)))
    plan = source.plan_transfers(session.params["image"], targets, _options(session.params))
    session.warn(plan.warnings)
    check_mode = session.module.check_mode
    outcomes = plan.preview() if check_mode else plan.run(timeout=session.params["timeout"])
    failures |= {outcome.subject: outcome.error for outcome in outcomes if outcome.error}
    results = {outcome.subject: outcome.result for outcome in outcomes}
    return [
        _entry(target, results.get(name), failures.get(name))
        for name, target in zip(names, given, strict=True)
    ]


def _connected(
    session: Session, targets: dict[str, dict[str, Any]]
) -> tuple[dict[str, ImageTasks], dict[str, Exception]]:
    """Return the clients of the targets, and the errors of those that have none."""
    connected: dict[str, ImageTasks] = {}
    failures: dict[str, Exception] = {}
    for name, target in targets.items():
        try:
            connected[name] = session.connect(target)
        except errors() as error:
            failures[name] = error
    return connected, failures


def _options(params: dict[str, Any]) -> CopyOptions:
    from rackspace_imagetasks import CopyOptions, PropertyOptions

    chosen = {key: str(value) for key, value in params["target_properties"].items()}
    return CopyOptions(
        properties=PropertyOptions(adapt=not params["keep_properties"], chosen=chosen),
        **{name: params[name] for name in ("keep_objects", "disk_format", "method", "inspect")},
    )


def _entry(
    target: dict[str, Any], result: TransferResult | None, error: Exception | None
) -> dict[str, Any]:
    """Return the entry of a target, which tells of a failure."""
    entry: dict[str, Any] = {
        "cloud": cloud_name(target["cloud"]),
        "region_name": target["region_name"],
        "status": "failed",
        "image_id": None,
        "name": None,
        "target_image_id": None,
        "properties": {},
        "msg": worded_error(error) if error else "",
    }
    known = plain(result or getattr(error, "result", None) or {})
    region = known.pop("region", None)
    return entry | known | {"region_name": region or target["region_name"]}


def _title(entry: dict[str, Any]) -> str:
    return " ".join(filter(None, (entry["cloud"], entry["region_name"]))) or "target"


def _diff(transfers: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the targets that have the image, before and after."""
    before, after = {}, {}
    for entry in transfers:
        if entry["status"] == "already there":
            before[_title(entry)] = after[_title(entry)] = entry["target_image_id"]
        elif entry["status"] != "failed":
            after[_title(entry)] = entry["target_image_id"] or "new image"
    return {"before": before, "after": after}


def main() -> None:
    """Run the module."""
    module = Module(
        argument_spec=CLOUD_OPTIONS | TIMEOUT_OPTIONS | OPTIONS, supports_check_mode=True
    )
    run(module, transfer_image)


if __name__ == "__main__":
    main()
