# SPDX-License-Identifier: Apache-2.0
"""Connections to other regions and clouds, configured as a fresh login there would be."""

import difflib
from collections.abc import Iterable
from typing import Any

from openstack import config as sdk_config
from openstack import connection as sdk_connection
from openstack import exceptions as sdk
from openstack.config import cloud_region

from rackspace_imagetasks.exceptions import NotFound

_LOGIN = ("auth", "auth_type", "verify", "cacert", "cert", "key")  # what a session is made from
_MAX_LISTED = 20  # clouds
GIVEN_NAMES = ("", "defaults", "envvars")
"""Names that openstacksdk gives by itself to a cloud that has none in clouds.yaml."""


def connect_to(
    connection: sdk_connection.Connection, *, cloud: str | None, region: str | None
) -> sdk_connection.Connection:
    """Return a connection to another region of the same cloud, or to another cloud.

    The settings are those of the target's entry in clouds.yaml. The login is shared where it is
    the same.

    :raises NotFound: if clouds.yaml has no such cloud, or no such region of it.
    """
    entries = sdk_config.OpenStackConfig()
    name = cloud or connection.config.name or ""
    try:
        if cloud and cloud != connection.config.name:
            return sdk_connection.from_config(cloud=cloud, region_name=region)
        if name in GIVEN_NAMES or name not in entries.get_cloud_names():
            return _shared(connection, _without_endpoints(connection.config.config), region)
        return _same_cloud(connection, entries, name, region)
    except sdk.ConfigException as error:
        known = _regions(entries, name)
        if region and known and region not in known:
            text = f"Region '{region}' not found in cloud '{name}' in clouds.yaml."
            raise NotFound(f"{text} Available regions: {', '.join(known)}.") from error
        if cloud and cloud not in entries.get_cloud_names():
            raise NotFound(_unknown_cloud(cloud, entries.get_cloud_names())) from error
        raise NotFound(f"{error} Check clouds.yaml.") from error


def _unknown_cloud(name: str, names: Iterable[str]) -> str:
    others = sorted(set(names) - set(GIVEN_NAMES))
    text = f"Cloud '{name}' not found in clouds.yaml."
    if similar := difflib.get_close_matches(name, others):
        return f"{text} Clouds with similar names: {', '.join(similar)}."
    if len(others) > _MAX_LISTED:
        return f"{text} Check its name."
    return f"{text} Available clouds: {', '.join(others)}."


def _regions(entries: sdk_config.OpenStackConfig, name: str) -> list[str]:
    """Return the regions that a cloud's entry lists."""
    listed = (entries.cloud_config["clouds"].get(name) or {}).get("regions") or ()
    return [str(each["name"] if isinstance(each, dict) else each) for each in listed]


def _same_cloud(
    connection: sdk_connection.Connection,
    entries: sdk_config.OpenStackConfig,
    name: str,
    region: str | None,
) -> sdk_connection.Connection:
    own = _only_region(entries, name)
    if own and region and own != region:
        settings = _without_endpoints(_settings(entries, name, own))
        return _shared(connection, settings, region)
    settings = _settings(entries, name, region)
    here = _settings(entries, name, connection.config.get_region_name())
    if _login(settings) == _login(here):
        return _shared(connection, settings, region)
    return sdk_connection.from_config(cloud=name, region_name=region)


def _only_region(entries: sdk_config.OpenStackConfig, name: str) -> str | None:
    """Return the one region that a cloud's entry describes; None for an entry for several."""
    entry = entries.cloud_config["clouds"][name] or {}
    region = entry.get("region_name")
    return region if isinstance(region, str) and "regions" not in entry else None


def _settings(entries: sdk_config.OpenStackConfig, name: str, region: str | None) -> dict[str, Any]:
    return dict(entries.get_one(cloud=name, region_name=region or "", validate=False).config)


def _shared(
    connection: sdk_connection.Connection, settings: dict[str, Any], region: str | None
) -> sdk_connection.Connection:
    """Return a connection with the same login and other settings."""
    # Not connect_as(): it stays in the old region.
    config = cloud_region.CloudRegion(
        name=connection.config.name,
        region_name=region or settings.get("region_name"),
        config=settings,
        auth_plugin=connection.session.auth,
        session=connection.session,
    )
    return sdk_connection.Connection(config=config)


def _login(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: settings.get(key) for key in _LOGIN}


def _without_endpoints(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings without addresses of services, which belong to the region they are of."""
    return {k: v for k, v in settings.items() if not k.endswith(("endpoint_override", "_endpoint"))}
