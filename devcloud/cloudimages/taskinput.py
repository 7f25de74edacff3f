# SPDX-License-Identifier: Apache-2.0
"""Validation of the input of a task; a problem is a response with status 400."""

from typing import Any

_REQUIRED: dict[str, dict[str, type]] = {
    "import": {"import_from": str, "image_properties": dict},
    "export": {"image_uuid": str, "receiving_swift_container": str},
}
_OPTIONAL: dict[str, set[str]] = {"import": {"import_from_format"}, "export": set()}


def problem(kind: str, given: object) -> str | None:
    """Return what is wrong with the input of an import or export, or None."""
    if kind not in _REQUIRED:
        return f"Invalid task type: {kind}"
    if not isinstance(given, dict):
        return "Task input must be an object"
    for key, expected in _REQUIRED[kind].items():
        if not isinstance(given.get(key), expected) or not given[key]:
            return f"Missing or invalid input: {key}"
    if unknown := given.keys() - _REQUIRED[kind].keys() - _OPTIONAL[kind]:
        return f"Unexpected input: {', '.join(sorted(unknown))}"
    return _import_problem(given) if kind == "import" else _export_problem(given)


def _import_problem(given: dict[str, Any]) -> str | None:
    container, _, name = given["import_from"].partition("/")
    if not container or not name:
        return "import_from must be CONTAINER/OBJECT"
    if given.get("import_from_format", "vhd") != "vhd":
        return "import_from_format must be vhd"
    name = given["image_properties"].get("name")
    if not isinstance(name, str) or not name:
        return "Missing image property: name"
    return None


def _export_problem(given: dict[str, Any]) -> str | None:
    if any(character in given["receiving_swift_container"] for character in "/?."):
        return "The name of receiving_swift_container must not contain '/', '?' or '.'"
    return None
