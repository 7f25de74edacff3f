# SPDX-License-Identifier: Apache-2.0
"""The targets of a transfer, as they are named on the command line."""

import argparse
import dataclasses

from rackspace_imagetasks.i18n import _

_CLOUD = "cloud:"


@dataclasses.dataclass(frozen=True)
class TargetName:
    """A region of the current cloud, another cloud, or a region of it.

    :ivar cloud: a cloud in clouds.yaml; None for the current cloud.
    :ivar region: None for the cloud's default region.
    """

    cloud: str | None = None
    region: str | None = None

    def __str__(self) -> str:
        if self.cloud is None:
            return self.region or ""
        return _CLOUD + self.cloud + (f"/{self.region}" if self.region else "")


def target_name(text: str) -> TargetName:
    """Parse `<region>`, `cloud:<cloud>` or `cloud:<cloud>/<region>`, for argparse."""
    if not text.startswith(_CLOUD):
        name = TargetName(region=text)
    else:
        cloud, slash, region = text.removeprefix(_CLOUD).partition("/")
        name = TargetName(cloud, region if slash else None)
    if "" in (name.cloud, name.region):
        raise argparse.ArgumentTypeError(
            _("'%s' is not a target; specify <region>, cloud:<cloud>, or cloud:<cloud>/<region>")
            % text
        )
    return name


def targets_of(parsed_args: argparse.Namespace) -> list[TargetName]:
    """Return the targets that the options name: one or more, each once.

    :raises UsageError: if there is none, if one is named twice, or if the options exclude each
        other.
    """
    from rackspace_imagetasks.osc.usage import UsageError

    one = TargetName(parsed_args.to_cloud or None, parsed_args.to_region or None)
    several: list[TargetName] = parsed_args.to
    if several and one != TargetName():
        raise UsageError("Specify targets with --to, or with --to-region and --to-cloud, not both.")
    if not several and one == TargetName():
        raise UsageError(
            "Specify the target with --to-region <region>, --to-cloud <cloud>, or both; specify"
            " several targets with --to <target>."
        )
    for name in several:
        if several.count(name) > 1:
            raise UsageError(f"Target '{name}' is specified more than once.")
    return several or [one]
