#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""The image_export module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_export
short_description: Export an image to a container, or save it to a file
version_added: 0.1.0
author: The rackspace-imagetasks developers (!UNKNOWN)
description:
  - Exports an image of this project as a VHD to a container, and optionally saves it to a file.
  - In a cloud without image tasks, images cannot be exported to a container; set O(path) to save
    the data of an image to a file.
  - An export of an earlier run is used. A file that already has exactly the content of the VHD or
    of the image, or its disk in another format, is not written again.
extends_documentation_fragment:
  - rackspace.imagetasks.cloud
  - rackspace.imagetasks.cloud.wait
  - rackspace.imagetasks.cloud.timeout
options:
  image:
    description:
      - Name or ID of the image.
    type: str
    required: true
  container:
    description:
      - Container to export to. By default, it is C(image-exports), which is created if it does not
        exist.
    type: str
  create_container:
    description:
      - Whether to create O(container) if it does not exist.
    type: bool
    default: false
  inspect:
    description:
      - Whether to look inside the exported disk.
    type: bool
    default: true
  path:
    description:
      - File to save the image to, or a directory in which the file is named after the image, on the
        host that runs the module. It requires O(wait=true).
      - An existing file is compared with the image, in check mode, too.
    type: path
  disk_format:
    description:
      - Format of the file. By default, it follows from the suffix of O(path).
      - To compare an existing file in another format than that in which the image is stored, the
        image is downloaded.
    type: str
    choices: [qcow2, raw, vhd]
  overwrite:
    description:
      - Whether to replace an existing file with other content.
    type: bool
    default: false
  validate:
    description:
      - Whether to check that the data are a valid disk before the file gets its name.
    type: bool
    default: true
  delete_object:
    description:
      - Whether to delete the exported object after it is saved to O(path).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Export an image to a container
  rackspace.imagetasks.image_export:
    cloud: mycloud
    region_name: DFW
    image: web
    container: exports
    create_container: true

- name: Save an image to a file
  rackspace.imagetasks.image_export:
    cloud: mycloud
    region_name: DFW
    image: web
    path: /var/lib/images/web.vhd
"""

RETURN = r"""
image_id:
  description: ID of the image.
  returned: success
  type: str
  sample: 493f40e8-c9b0-42f9-8d3f-0bdd14fd6fed
image_name:
  description: Name of the image.
  returned: success
  type: str
  sample: web
task_id:
  description: ID of the export task, if there is one.
  returned: success
  type: str
  sample: 7d5bbe12-8d3f-4c42-9b25-36044aa4d580
status:
  description: Status of the export task, V(exported before), V(saved), V(already saved), or
    V(not started) in check mode.
  returned: success
  type: str
  sample: success
location:
  description: Object that has the VHD; in a cloud without image tasks, the file.
  returned: success
  type: str
  sample: exports/493f40e8-c9b0-42f9-8d3f-0bdd14fd6fed.vhd
size:
  description: Size of the VHD or the file in bytes, once it is known.
  returned: success
  type: int
  sample: 1073741824
"""

from typing import TYPE_CHECKING, Any

from ansible_collections.rackspace.imagetasks.plugins.module_utils.image_tasks import (
    CLOUD_OPTIONS,
    WAIT_OPTIONS,
    Module,
    Session,
    plain,
    run,
)

if TYPE_CHECKING:
    from rackspace_imagetasks import ExportPlan, ExportResult, ImageSavePlan, SaveOptions

OPTIONS: dict[str, Any] = {
    "image": {"type": "str", "required": True},
    "container": {"type": "str"},
    "create_container": {"type": "bool", "default": False},
    "inspect": {"type": "bool", "default": True},
    "path": {"type": "path"},
    "disk_format": {"type": "str", "choices": ["qcow2", "raw", "vhd"]},
    "overwrite": {"type": "bool", "default": False},
    "validate": {"type": "bool", "default": True},
    "delete_object": {"type": "bool", "default": False},
}


def export_image(session: Session) -> dict[str, Any]:
    """Export the image, or return the expected result in check mode."""
    params = session.params
    _check_options(params)
    names = ("container", "create_container", "inspect")
    plan = session.connect().plan_export(
        params["image"], save=_save_options(params), **{name: params[name] for name in names}
    )
    session.warn(plan.warnings)
    expected = plan.preview()
    if session.module.check_mode:
        result, is_saved = expected, bool(params["path"]) and plan.is_saved()
    else:
        result = _run(plan, params)
        is_saved = result.status == "already saved" and not result.task_id
    changed = _is_changed(expected, params, is_saved=is_saved)
    return {"changed": changed, "diff": _diff(result, params, changed=changed), **plain(result)}


def _check_options(params: dict[str, Any]) -> None:
    """Refuse options that would have no effect.

    :raises Refused: with all of them.
    """
    from rackspace_imagetasks import Refused

    problems = []
    if params["path"] and not params["wait"]:
        problems.append("path requires wait, because only a finished export can be saved.")
    ineffective = {
        "disk_format": params["disk_format"],
        "overwrite": params["overwrite"],
        "validate": not params["validate"],
        "delete_object": params["delete_object"],
    }
    problems += [
        f"{name} applies to a saved file; set path."
        for name, is_set in ineffective.items()
        if is_set and not params["path"]
    ]
    if problems:
        raise Refused(*problems)


def _save_options(params: dict[str, Any]) -> SaveOptions | None:
    from rackspace_imagetasks import SaveOptions

    names = ("overwrite", "validate", "delete_object", "disk_format")
    if not params["path"]:
        return None
    return SaveOptions(target=params["path"], **{name: params[name] for name in names})


def _run(plan: ExportPlan | ImageSavePlan, params: dict[str, Any]) -> ExportResult:
    return plan.run(timeout=params["timeout"]) if params["wait"] else plan.start()


def _is_changed(expected: ExportResult, params: dict[str, Any], *, is_saved: bool) -> bool:
    """Return whether the run changes anything: it does not if a task is already running."""
    if params["path"]:
        # An exported object that is deleted is a change, too.
        return params["delete_object"] or not is_saved
    is_done = expected.status == "exported before"
    return not (is_done or (expected.task_id and not params["wait"]))


def _diff(result: ExportResult, params: dict[str, Any], *, changed: bool) -> dict[str, Any]:
    """Return where the image is exported or saved to, before and after."""
    place = {"path": params["path"]} if params["path"] else {"location": result.location}
    after = {"image_id": result.image_id, **place}
    return {"before": {} if changed else after, "after": after}


def main() -> None:
    """Run the module."""
    module = Module(argument_spec=CLOUD_OPTIONS | WAIT_OPTIONS | OPTIONS, supports_check_mode=True)
    run(module, export_image)


if __name__ == "__main__":
    main()
