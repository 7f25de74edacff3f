#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""The image_import module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_import
short_description: Import an image from a disk image file or an object
version_added: 0.1.0
author: The rackspace-imagetasks developers (!UNKNOWN)
description:
  - Imports a local disk image file in any common format, or a VHD in a container, as an image.
  - A disk that was imported before under the same name and was not changed since is not imported
    again. If the module is interrupted, repeat it; it continues where it stopped.
extends_documentation_fragment:
  - rackspace.imagetasks.cloud
  - rackspace.imagetasks.cloud.wait
  - rackspace.imagetasks.cloud.timeout
options:
  path:
    description:
      - Path of the disk image file on the host that runs the module.
      - Exactly one of O(path) and O(object) is required.
    type: path
  object:
    description:
      - Object to import, as C(container/object).
    type: str
  name:
    description:
      - Name of the image.
    type: str
    required: true
  properties:
    description:
      - Properties of the image.
    type: dict
    default: {}
  tags:
    description:
      - Tags of the image.
    type: list
    elements: str
    default: []
  min_disk:
    description:
      - Minimum disk size that is needed to boot the image, in GiB.
    type: int
  min_ram:
    description:
      - Minimum memory that is needed to boot the image, in MiB.
    type: int
  visibility:
    description:
      - Visibility of the image.
    type: str
    choices: [private, public, shared, community]
  boot_profile:
    description:
      - Properties that an image from another platform needs to boot. V(hvm) sets those of a Linux
        server, V(none) sets none, and V(auto) chooses by what is inside the disk.
    type: str
    default: auto
  source_format:
    description:
      - Format of the file. By default, it is detected.
    type: str
  convert:
    description:
      - Whether to convert a disk that is not in the format that the cloud requires.
    type: bool
    default: true
  allow_truncated:
    description:
      - Whether to accept a disk that is shorter than its partitions or its file system.
    type: bool
    default: false
  inspect:
    description:
      - Whether to look inside the disk before the import.
    type: bool
    default: true
  container:
    description:
      - Container in which a file is staged. By default, it is C(image-imports), which is created if
        it does not exist.
    type: str
  create_container:
    description:
      - Whether to create O(container) if it does not exist.
    type: bool
    default: false
  keep_object:
    description:
      - Whether to keep the imported object. By default, the object of a staged file is deleted, and
        O(object) is kept.
    type: bool
  disk_format:
    description:
      - Format of the image. By default, it is the format that the cloud uses.
    type: str
    choices: [qcow2, raw, vhd]
  method:
    description:
      - How a cloud without image tasks gets the data.
    type: str
    choices: [auto, direct, web-download]
    default: auto
  new_copy:
    description:
      - Whether to import the disk again if it was imported before. The module is not idempotent
        then.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Import a disk image file
  rackspace.imagetasks.image_import:
    cloud: mycloud
    region_name: DFW
    path: /var/lib/images/web.qcow2
    name: web
    properties:
      app: web
    tags: [web]

- name: Import a VHD from a container
  rackspace.imagetasks.image_import:
    cloud: mycloud
    region_name: DFW
    object: exports/web.vhd
    name: web
"""

RETURN = r"""
image_id:
  description: ID of the image. It is V(null) in check mode if the image does not exist yet, and as
    long as the image is not complete.
  returned: success
  type: str
  sample: 493f40e8-c9b0-42f9-8d3f-0bdd14fd6fed
name:
  description: Name of the image.
  returned: success
  type: str
  sample: web
task_id:
  description: ID of the import task, if there is one.
  returned: success
  type: str
  sample: 7d5bbe12-8d3f-4c42-9b25-36044aa4d580
status:
  description: Status of the import task, V(already imported), or V(not started) in check mode.
  returned: success
  type: str
  sample: success
location:
  description: Object that is imported, as long as it exists.
  returned: success
  type: str
  sample: exports/web.vhd
size:
  description: Size of the disk in bytes.
  returned: success
  type: int
  sample: 42949672960
duplicate_task_id:
  description: ID of an import task that has created a duplicate, because another run started at the
    same time. Delete its image.
  returned: success
  type: str
"""

import contextlib
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
    from rackspace_imagetasks import (
        DiskOptions,
        ImageSettings,
        ImageTasks,
        ImportPlan,
        ImportResult,
        Message,
        UploadPlan,
    )

OPTIONS: dict[str, Any] = {
    "path": {"type": "path"},
    "object": {"type": "str"},
    "name": {"type": "str", "required": True},
    "properties": {"type": "dict", "default": {}},
    "tags": {"type": "list", "elements": "str", "default": []},
    "min_disk": {"type": "int"},
    "min_ram": {"type": "int"},
    "visibility": {"type": "str", "choices": ["private", "public", "shared", "community"]},
    "boot_profile": {"type": "str", "default": "auto"},
    "source_format": {"type": "str"},
    "convert": {"type": "bool", "default": True},
    "allow_truncated": {"type": "bool", "default": False},
    "inspect": {"type": "bool", "default": True},
    "container": {"type": "str"},
    "create_container": {"type": "bool", "default": False},
    "keep_object": {"type": "bool"},
    "disk_format": {"type": "str", "choices": ["qcow2", "raw", "vhd"]},
    "method": {"type": "str", "choices": ["auto", "direct", "web-download"], "default": "auto"},
    "new_copy": {"type": "bool", "default": False},
}


def import_image(session: Session) -> dict[str, Any]:
    """Import the image, or return the expected result in check mode."""
    settings = _settings(session.params)
    plan = _plan(session.connect(), settings, session.params)
    with contextlib.closing(plan):
        session.warn(each for each in plan.warnings if not _is_status(each))
        _require_wait(plan, settings, session.params)
        expected = plan.preview()
        missing = settings.missing_on(plan.existing) if plan.existing else []
        result = expected if session.module.check_mode else _run(plan, session.params)
    return {
        "changed": _is_changed(expected, missing, session.params),
        "diff": _diff(plan, settings, missing),
        **plain(result),
    }


def _settings(params: dict[str, Any]) -> ImageSettings:
    from rackspace_imagetasks import ImageSettings

    return ImageSettings(
        properties={key: str(value) for key, value in params["properties"].items()},
        tags=tuple(params["tags"]),
        min_disk=params["min_disk"],
        min_ram=params["min_ram"],
        visibility=params["visibility"],
    )


def _plan(
    tasks: ImageTasks, settings: ImageSettings, params: dict[str, Any]
) -> ImportPlan | UploadPlan:
    from rackspace_imagetasks import ObjectName, StagingOptions

    options = {
        "settings": settings,
        "disk": _disk_options(params),
        **{name: params[name] for name in ("new_copy", "disk_format", "method")},
    }
    if params["object"] is not None:
        source = ObjectName.parse(params["object"])
        delete = params["keep_object"] is False
        return tasks.plan_import_object(source, params["name"], delete_object=delete, **options)
    staging = StagingOptions(
        container=params["container"],
        create_container=params["create_container"],
        keep_object=bool(params["keep_object"]),
    )
    return tasks.plan_import_file(params["path"], params["name"], staging=staging, **options)


def _disk_options(params: dict[str, Any]) -> DiskOptions:
    from rackspace_imagetasks import DiskOptions

    return DiskOptions(
        format=params["source_format"],
        convert=params["convert"],
        allow_truncated=params["allow_truncated"],
        inspect=params["inspect"],
        boot_profile=params["boot_profile"],
    )


def _require_wait(
    plan: ImportPlan | UploadPlan, settings: ImageSettings, params: dict[str, Any]
) -> None:
    """Refuse settings that only a run that waits can make; in check mode, too.

    :raises Refused: if there are any.
    """
    from rackspace_imagetasks import Hint, ImportPlan, Message, Refused

    if isinstance(plan, ImportPlan) and settings and not (params["wait"] or plan.existing):
        text = (
            "properties, tags, min_disk, min_ram and visibility are set on the image after its"
            " import."
        )
        raise Refused(Message(text, Hint.WAIT_FOR_IMAGE))


def _is_status(message: Message) -> bool:
    """Return whether a warning says no more than the status: the disk was already imported."""
    from rackspace_imagetasks import Hint

    return message.hint is Hint.IMPORT_NEW_COPY


def _run(plan: ImportPlan | UploadPlan, params: dict[str, Any]) -> ImportResult:
    return plan.run(timeout=params["timeout"]) if params["wait"] else plan.start()


def _is_changed(expected: ImportResult, missing: list[str], params: dict[str, Any]) -> bool:
    """Return whether the run changes anything: it does not if a task is already running."""
    if expected.image_id:
        return bool(missing)
    return bool(params["wait"] or not expected.task_id)


def _diff(
    plan: ImportPlan | UploadPlan, settings: ImageSettings, missing: list[str]
) -> dict[str, Any]:
    """Return the image before and after, as far as the options describe it."""
    image = plan.existing
    after = {"name": plan.preview().name, **_described(settings)}
    if image is None:
        return {"before": {}, "after": after}
    before = {
        name: image.properties.get(name, getattr(image, name, None)) if name in missing else value
        for name, value in after.items()
    }
    return {"before": plain(before), "after": after}


def _described(settings: ImageSettings) -> dict[str, Any]:
    others = {name: getattr(settings, name) for name in ("min_disk", "min_ram", "visibility")}
    tags = {"tags": sorted(set(settings.tags))} if settings.tags else {}
    return {
        **settings.properties,
        **tags,
        **{name: value for name, value in others.items() if value is not None},
    }


def main() -> None:
    """Run the module."""
    module = Module(
        argument_spec=CLOUD_OPTIONS | WAIT_OPTIONS | OPTIONS,
        mutually_exclusive=[("path", "object"), ("object", "container")],
        required_one_of=[("path", "object")],
        supports_check_mode=True,
    )
    run(module, import_image)


if __name__ == "__main__":
    main()
