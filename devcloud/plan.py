# SPDX-License-Identifier: Apache-2.0
"""Where everything is: ports, addresses, files, and the knobs. No OpenStack import here."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from devcloud.files import write_json

HOST = "127.0.0.1"
SWIFT_PARTS = ("proxy", "account", "container", "object")


def _knob(default: float, help_: str, least: int = 0) -> Any:
    return field(default=default, metadata={"help": help_, "least": least})


@dataclass(frozen=True)
class Knobs:
    """What a test may want other than the service has it; each is an option of the command line."""

    token_seconds: int = _knob(3600, "the life of a token", least=1)
    task_seconds: int = _knob(48 * 3600, "the life of a task's record after its end")
    segment_bytes: int = _knob(1_048_576_000, "the size of an exported image's segments", least=1)
    step_delay: float = _knob(
        0.0, "seconds that a task waits before each MiB, or part of one, that it moves"
    )
    max_virtual_bytes: int = _knob(40 << 30, "the largest disk that an import takes")
    max_physical_bytes: int = _knob(40 << 30, "the largest file that an import takes")


@dataclass(frozen=True)
class Plan:
    """One cloud: its directory, its regions, its ports by name (`keystone`, `DFW/proxy`)."""

    root: Path
    regions: tuple[str, ...]
    ports: dict[str, int]
    knobs: Knobs = Knobs()

    @staticmethod
    def port_names(regions: tuple[str, ...]) -> list[str]:
        """Name every port that a cloud of these regions needs."""
        parts = ("glance", *SWIFT_PARTS)
        return ["keystone", *(f"{region}/{part}" for region in regions for part in parts)]

    @classmethod
    def load(cls, root: Path) -> Self:
        """Read the plan of the cloud in `root`."""
        plan = json.loads((root / "plan.json").read_text())
        return cls(root, tuple(plan["regions"]), plan["ports"], Knobs(**plan["knobs"]))

    def save(self) -> None:
        """Leave the plan in the cloud's directory, for its servers and for tests."""
        plan = {"regions": self.regions, "ports": self.ports, "knobs": asdict(self.knobs)}
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
        """Return the template that Keystone's catalog fills in with a project's ID."""
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
        """Say where `service` (glance or swift) writes a line for each request."""
        return self.root / region / f"{service}-access.log"

    def faults_dir(self, region: str, service: str) -> Path:
        """Say where `service` (glance or swift) looks for the faults to make."""
        return self.root / region / f"{service}-faults"
