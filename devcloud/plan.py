# SPDX-License-Identifier: Apache-2.0
"""The ports, URLs, files and settings of a cloud. This module imports nothing of OpenStack."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from devcloud.files import write_json

HOST = "127.0.0.1"
SWIFT_PARTS = ("proxy", "account", "container", "object")


def _setting(default: float, help_: str, least: int = 0) -> Any:
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


@dataclass(frozen=True)
class Plan:
    """A cloud: its directory, regions, settings, and ports by name (`keystone`, `DFW/proxy`)."""

    root: Path
    regions: tuple[str, ...]
    ports: dict[str, int]
    settings: Settings = Settings()

    @staticmethod
    def port_names(regions: tuple[str, ...]) -> list[str]:
        """Return the names of all ports that a cloud with these regions needs."""
        parts = ("glance", *SWIFT_PARTS)
        return ["keystone", *(f"{region}/{part}" for region in regions for part in parts)]

    @classmethod
    def load(cls, root: Path) -> Self:
        """Read the plan of the cloud in `root`."""
        plan = json.loads((root / "plan.json").read_text())
        return cls(root, tuple(plan["regions"]), plan["ports"], Settings(**plan["settings"]))

    def save(self) -> None:
        """Write the plan to the directory of the cloud, for its servers and for tests."""
        plan = {"regions": self.regions, "ports": self.ports, "settings": asdict(self.settings)}
        write_json(self.root / "plan.json", plan)

    def port(self, region: str, part: str) -> int:
        return self.ports[f"{region}/{part}"]

    @property
    def identity_url(self) -> str:
        return f"http://{HOST}:{self.ports['keystone']}"

    @property
    def auth_url(self) -> str:
        return f"{self.identity_url}/v3"

    def image_url(self, region: str) -> str:
        return f"http://{HOST}:{self.port(region, 'glance')}"

    def object_url(self, region: str) -> str:
        """Return the URL template into which Keystone's catalog inserts the project ID."""
        return f"http://{HOST}:{self.port(region, 'proxy')}/v1/AUTH_%(project_id)s"

    @property
    def clouds_yaml(self) -> Path:
        return self.root / "clouds.yaml"

    @property
    def keystone_dir(self) -> Path:
        return self.root / "keystone"

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
