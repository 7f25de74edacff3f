#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""The image_clean module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_clean
short_description: Delete objects that imports, exports and transfers left behind
version_added: 0.1.0
author: The rackspace-imagetasks developers (!UNKNOWN)
description:
  - Deletes staged objects and orphaned segments that interrupted jobs left behind. Objects that are
    recent, in use, needed by a running task, or were kept on request are not deleted.
  - Use check mode to list the objects.
extends_documentation_fragment:
  - rackspace.imagetasks.cloud
options:
  container:
    description:
      - Container to clean. By default, all staging containers are cleaned.
    type: str
  older_than:
    description:
      - Keep objects that were written in this number of hours.
    type: float
    default: 24.0
"""

EXAMPLES = r"""
- name: Delete what interrupted jobs left behind
  rackspace.imagetasks.image_clean:
    cloud: mycloud
    region_name: DFW
    older_than: 48
"""

RETURN = r"""
objects:
  description: Objects and segments that were found.
  returned: success, or if an object could not be deleted
  type: list
  elements: dict
  contains:
    container:
      description: Container of the object.
      type: str
      sample: image-imports
    name:
      description: Name of the object.
      type: str
      sample: web-0b5e83d7f1c96a24.vhd
    kind:
      description: V(object) or V(segment).
      type: str
      sample: object
    size:
      description: Size in bytes.
      type: int
      sample: 1073741824
    last_modified:
      description: When the object was written (UTC).
      type: str
      sample: '2026-11-28T22:13:46+00:00'
    status:
      description: V(deleted), V(not deleted), V(recent), V(in use), C(needed by task ID), or
        V(unneeded) in check mode for an object that will be deleted.
      type: str
      sample: deleted
    msg:
      description: Why the object was not deleted; empty if there was no error.
      type: str
      sample: ''
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ansible_collections.rackspace.imagetasks.plugins.module_utils.image_tasks import (
    CLOUD_OPTIONS,
    Module,
    Session,
    plain,
    run,
    worded_error,
)

if TYPE_CHECKING:
    from rackspace_imagetasks import CleanResult

OPTIONS: dict[str, Any] = {
    "container": {"type": "str"},
    "older_than": {"type": "float", "default": 24.0},
}


def clean(session: Session) -> dict[str, Any]:
    """Delete the objects, or list them in check mode."""
    params, check_mode = session.params, session.module.check_mode
    plan = session.connect().plan_clean(
        params["container"], older_than=timedelta(hours=params["older_than"])
    )
    objects = [_entry(each) for each in (plan.preview() if check_mode else plan.run())]
    gone = [each for each in objects if each["status"] in ("deleted", "unneeded")]
    kept = [each for each in objects if each not in gone]
    failures = [each["msg"] for each in objects if each["msg"]]
    return {
        "changed": bool(gone),
        "diff": {"before": _names(gone + kept), "after": _names(kept)},
        "objects": objects,
        **({"failed": True, "msg": "\n".join(failures)} if failures else {}),
    }


def _entry(result: CleanResult) -> dict[str, Any]:
    orphan = result.orphan
    entry = {
        "container": orphan.object.container,
        "name": orphan.object.name,
        "kind": orphan.kind,
        "size": orphan.size,
        "last_modified": orphan.last_modified,
        "status": result.status,
        "msg": worded_error(result.error) if result.error else "",
    }
    return {name: plain(value) for name, value in entry.items()}


def _names(objects: list[dict[str, Any]]) -> dict[str, list[str]]:
    return {"objects": sorted(f"{each['container']}/{each['name']}" for each in objects)}


def main() -> None:
    """Run the module."""
    module = Module(argument_spec=CLOUD_OPTIONS | OPTIONS, supports_check_mode=True)
    run(module, clean)


if __name__ == "__main__":
    main()
