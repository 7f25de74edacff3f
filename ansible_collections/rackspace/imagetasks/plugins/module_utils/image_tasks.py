# SPDX-License-Identifier: Apache-2.0
"""What the modules share: options, connections, errors and results."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import enum
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    import openstack
    from keystoneauth1.exceptions import ClientException
    from openstack.exceptions import SDKException

    from rackspace_imagetasks import (
        Hint,
        ImageTasks,
        ImageTasksError,
        Message,
        Refused,
        SilentPhase,
    )

    IMPORT_ERROR = None
except ImportError:
    IMPORT_ERROR = traceback.format_exc()

# The names of these options in openstacksdk, where they differ.
_SDK_NAMES = {
    "validate_certs": "verify",
    "ca_cert": "cacert",
    "client_cert": "cert",
    "client_key": "key",
}

CLOUD_OPTIONS: dict[str, Any] = {
    "cloud": {"type": "raw"},
    "region_name": {"type": "str"},
    "auth": {"type": "dict", "no_log": True},
    "auth_type": {"type": "str"},
    "interface": {
        "type": "str",
        "choices": ["public", "internal", "admin"],
        "aliases": ["endpoint_type"],
    },
    "validate_certs": {"type": "bool", "aliases": ["verify"]},
    "ca_cert": {"type": "str", "aliases": ["cacert"]},
    "client_cert": {"type": "str", "aliases": ["cert"]},
    # The path of a file, not a secret.
    "client_key": {"type": "str", "no_log": False, "aliases": ["key"]},
    "api_timeout": {"type": "int"},
}

# The names of secrets that are not in `auth`.
_SECRET = re.compile("pass|secret|token|api_?key", re.IGNORECASE)

TIMEOUT_OPTIONS: dict[str, Any] = {"timeout": {"type": "float"}}

WAIT_OPTIONS: dict[str, Any] = {"wait": {"type": "bool", "default": True}, **TIMEOUT_OPTIONS}

# Hints that name options of the modules; the others are the same as for a Python program.
_WORDINGS = {
    "ALLOW_TRUNCATED": (
        "Get the complete disk, or set allow_truncated to true if the missing part is not needed."
    ),
    "CHOOSE_CONTAINER": "Set container to another name.",
    "CHOOSE_METHOD": "Set method to another value, or omit it.",
    "CLEAN_CONTAINER": (
        "Use the rackspace.imagetasks.image_clean module with the container '{container}' to delete"
        " the rest."
    ),
    "CREATE_CONTAINER": "Create the container first, or set create_container to true.",
    "FOLLOW_TASK": "Repeat the Ansible task to follow it.",
    "FOLLOW_TASK_AND_COMPLETE": "Repeat the Ansible task to follow it and complete the image.",
    "FOLLOW_TASK_AND_SAVE": "Repeat the Ansible task to follow it and save the VHD.",
    "IMPORT_NEW_COPY": "To import another copy of it, set new_copy to true.",
    "MOVE_EXISTING_OBJECT": (
        "Save or delete the existing object, or set container to another name."
    ),
    "NAME_IMAGE": "Set name to the name of the image.",
    "OMIT_FORMAT": "Omit source_format, or set convert to true.",
    "REPLACE_FILE": "Set path to another file, or set overwrite to true.",
    "REPLACE_PART_FILE": "Remove the file, or set overwrite to true.",
    "RESUME": "Finished work is kept; repeat the Ansible task to resume.",
    "RESUME_UPLOAD": "Repeat the Ansible task to upload the image again.",
    "RETRY_WITHOUT_SETTING": (
        "Repeat the Ansible task without the refused setting to apply the others."
    ),
    "SAVE_EXISTING_OBJECT": (
        "Save or delete object '{location}', or set container to another name."
    ),
    "SAVE_TO_FILE": "Set path to save the image to a file, and omit container.",
    "SAVE_UNVALIDATED": "Set validate to false to save the data anyway.",
    "SET_ATTRIBUTE": "Set the option for the attribute instead, or omit the property.",
    "SPECIFY_FORMAT": "Set source_format to the format of the disk.",
    "SPECIFY_RAW_FORMAT": "If the file is a raw disk, set source_format to raw.",
    "START_OVER": "The output is incomplete; repeat the Ansible task to start over.",
    "TRY_AGAIN": "Repeat the Ansible task.",
    "WAIT_FOR_IMAGE": "Set wait to true.",
}


def worded(message: str | Message) -> str:
    """Return a message as one printable line, its hint in the words of the modules."""
    wordings = {Hint[name]: text for name, text in _WORDINGS.items()}
    return Message.of(message).worded(wordings)


def worded_error(error: Exception) -> str:
    """Return all messages of an error, a line each."""
    messages = error.messages if isinstance(error, ImageTasksError) else [str(error)]
    return "\n".join(map(worded, messages))


def errors() -> tuple[type[Exception], ...]:
    """Return the errors that are reported by their messages, without a traceback."""
    return ImageTasksError, SDKException, ClientException


class Module(AnsibleModule):
    """A module whose options can be settings of clouds, the secrets of which are not shown."""

    def _load_params(self) -> None:
        """Read the options; this comes before anything is checked or logged."""
        super()._load_params()
        targets = self.params.get("targets")
        places = [self.params, *(targets if isinstance(targets, list) else ())]
        for place in places:
            if isinstance(place, dict):
                self.no_log_values.update(_secrets(place.get("cloud")))


def _secrets(value: object, *, is_secret: bool = False) -> Iterator[str]:
    """Yield the values in the settings of a cloud that are not to be shown."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            hidden = is_secret or name == "auth" or bool(_SECRET.search(str(name)))
            yield from _secrets(each, is_secret=hidden)
    elif isinstance(value, list):
        for each in value:
            yield from _secrets(each, is_secret=is_secret)
    elif is_secret and value and not isinstance(value, bool):
        yield str(value)


class WarningProgress:
    """Progress that returns what the user should know as warnings, each once."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._told: set[str] = set()

    def phase(
        self,
        title: str,  # noqa: ARG002
        total: int | None = None,  # noqa: ARG002
    ) -> contextlib.AbstractContextManager[SilentPhase]:
        """Return a phase that is not shown."""
        return contextlib.nullcontext(SilentPhase())

    def message(self, message: str | Message) -> None:
        """Add a warning to the result of the module."""
        text = worded(message)
        if text not in self._told:
            self._told.add(text)
            self._module.warn(text)


class Session:
    """The clouds that one run of a module works with."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.params: dict[str, Any] = module.params
        self._progress = WarningProgress(module)
        self._connections = contextlib.ExitStack()

    def connect(self, place: Mapping[str, Any] | None = None) -> ImageTasks:
        """Return the client for the cloud and region of the module's options.

        :param place: `cloud` and `region_name` of another place. Another cloud has none of the
            module's options, which describe the login to the cloud of the module.
        :raises Refused: if `cloud` is neither a name nor a mapping.
        """
        options = {name: self.params[name] for name in CLOUD_OPTIONS}
        if place and place["cloud"] not in (None, options["cloud"]):
            options = {}
        options |= {name: value for name, value in (place or {}).items() if value is not None}
        given = {
            _SDK_NAMES.get(name, name): value
            for name, value in options.items()
            if value is not None
        }
        connection = openstack.connect(app_name="rackspace.imagetasks", **_with_settings(given))
        self._connections.callback(connection.close)
        return ImageTasks(connection, progress=self._progress)

    def warn(self, messages: Iterable[str | Message]) -> None:
        """Add warnings to the result of the module."""
        for message in messages:
            self._progress.message(message)

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()


def _with_settings(options: dict[str, Any]) -> dict[str, Any]:
    """Return options of `openstack.connect`; the settings of a cloud replace `cloud`."""
    cloud = options.get("cloud")
    if cloud is None or isinstance(cloud, str):
        return options
    if not isinstance(cloud, Mapping):
        raise Refused("cloud must be the name of a cloud or a mapping of its settings.")
    others = {name: value for name, value in options.items() if name != "cloud"}
    # Otherwise the settings would be mixed with those of the cloud that OS_CLOUD names.
    return {"load_yaml_config": False, "load_envvars": False, **cloud, **others}


def cloud_name(cloud: object) -> str | None:
    """Return the name of a cloud; None for a mapping of settings."""
    return cloud if isinstance(cloud, str) else None


def run(module: AnsibleModule, job: Callable[[Session], dict[str, Any]]) -> None:
    """Exit with the result of a job, or fail with all messages of its error.

    What is known about a job that has timed out is returned, too. A result with a true `failed`
    makes the module fail.
    """
    if IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("rackspace-imagetasks"), exception=IMPORT_ERROR)
    try:
        with contextlib.closing(Session(module)) as session:
            result = job(session)
    except errors() as error:
        known = getattr(error, "result", None)
        module.fail_json(msg=worded_error(error), **(plain(known) if known else {}))
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)


def plain(value: object) -> Any:  # noqa: ANN401 - whatever JSON has
    """Return dataclasses, enumerations, tuples and times as values of JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each) for each in value]
    if isinstance(value, datetime.datetime):
        return value.isoformat(timespec="seconds")
    return value if value is None or isinstance(value, (bool, int, float)) else str(value)
