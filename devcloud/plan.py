# SPDX-License-Identifier: Apache-2.0
"""The ports, URLs, files and settings of the cloud. This module imports nothing of OpenStack."""

import json
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from devcloud.files import write_json

HOST = "127.0.0.1"
SWIFT_PARTS = ("proxy", "account", "container", "object")
FLEX_REGION = "SJC3"


def _setting(default: float | str, help_: str, least: int = 0) -> Any:
    return field(default=default, metadata={"help": help_, "least": least})


@dataclass(frozen=True)
class Settings:
    """Values that a test may set differently from the service; each is a command-line option."""

    token_seconds: int = _setting(3600, "lifetime of a token, in seconds", least=1)
    task_seconds: int = _setting(48 * 3600, "seconds after which a task that has ended is deleted")
    segment_bytes: int = _setting(1_048_576_000, "size of the segments of an export", least=1)
    step_delay: float = _setting(0.0, "seconds that a task waits before it transfers each MiB")
    max_virtual_bytes: int = _setting(40 << 30, "size of the largest disk that can be imported")
    max_physical_bytes: int = _setting(40 << 30, "size of the largest file that can be imported")
    import_methods: str = _setting(
        "glance-direct,web-download,copy-image", "import methods of the flex cloud"
    )


@dataclass(frozen=True)
class Site:
    """A Keystone, and the regions whose Glance and Swift are in its catalog."""

    name: str
    regions: tuple[str, ...]
    has_tasks: bool  # or else an unmodified Glance

    @property
    def port_names(self) -> list[str]:
        parts = ("glance", *SWIFT_PARTS)
        regional = [f"{region}/{part}" for region in self.regions for part in parts]
        return [f"{self.name}/keystone", *regional]


@dataclass(frozen=True)
class Plan:
    """A cloud: its directory, sites, settings, and ports by name (`flex/keystone`, `DFW/proxy`)."""

    root: Path
    sites: tuple[Site, ...]
    ports: dict[str, int]
    settings: Settings = Settings()

    @classmethod
    def load(cls, root: Path) -> Self:
        """Read the plan of the cloud in `root`."""
        plan = json.loads((root / "plan.json").read_text())
        sites = tuple(Site(s["name"], tuple(s["regions"]), s["has_tasks"]) for s in plan["sites"])
        return cls(root, sites, plan["ports"], Settings(**plan["settings"]))

    def save(self) -> None:
        """Write the plan to the directory of the cloud, for its servers and for tests."""
        plan = {
            "sites": [asdict(site) for site in self.sites],
            "ports": self.ports,
            "settings": asdict(self.settings),
        }
        write_json(self.root / "plan.json", plan)

    def site(self, name: str) -> Site:
        """Return the site with a name, or the site of a region with that name."""
        return next(site for site in self.sites if name in (site.name, *site.regions))

    def port(self, place: str, part: str) -> int:
        """Return the port of a part of a region, or of the Keystone of a site."""
        return self.ports[f"{place}/{part}"]

    def identity_url(self, site: Site) -> str:
        return f"http://{HOST}:{self.port(site.name, 'keystone')}"

    def auth_url(self, site: Site) -> str:
        return f"{self.identity_url(site)}/v3"

    def image_url(self, region: str) -> str:
        return f"http://{HOST}:{self.port(region, 'glance')}"

    def object_url(self, region: str) -> str:
        """Return the URL template into which Keystone's catalog inserts the project ID."""
        return f"http://{HOST}:{self.port(region, 'proxy')}/v1/AUTH_%(project_id)s"

    @property
    def clouds_yaml(self) -> Path:
        return self.root / "clouds.yaml"

    def keystone_dir(self, site: Site) -> Path:
        return self.root / f"keystone-{site.name}"

    def swift_dir(self, region: str) -> Path:
        return self.root / region / "swift"

    def glance_dir(self, region: str) -> Path:
        return self.root / region / "glance"

    def access_log(self, region: str, service: str) -> Path:
        """Return the file in which `service` (glance or swift) logs its requests."""
        return self.root / region / f"{service}-access.log"

    def faults_dir(self, region: str, service: str) -> Path:
        """Return the directory from which `service` (glance or swift) reads fault rules."""
        return self.root / region / f"{service}-faults"


def sites(regions: tuple[str, ...], *, flex: bool = True) -> tuple[Site, ...]:
    """Return the sites: one with image tasks in `regions`, and one with an unmodified Glance."""
    tasks = Site("rackspace", regions, has_tasks=True)
    return (tasks, Site("flex", (FLEX_REGION,), has_tasks=False)) if flex else (tasks,)


def endpoint_id(service_type: str, region: str, interface: str) -> str:
    """Return the ID of an endpoint, which the configuration of a service can then contain."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{service_type}/{region}/{interface}").hex
