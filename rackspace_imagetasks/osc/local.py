# SPDX-License-Identifier: Apache-2.0
"""What the commands for local files share: they need neither a cloud nor a login."""

import argparse

from rackspace_imagetasks.osc.command import PluginCommand


class LocalCommand(PluginCommand):
    """A command that runs even if no cloud is configured."""

    auth_required = False

    def limits(self, parsed_args: argparse.Namespace) -> tuple[int, int]:
        """Return the largest virtual and physical size that can be imported, in bytes.

        Options come first, then the chosen cloud's entry in clouds.yaml, then the provider's own
        limits.

        :raises Refused: if clouds.yaml has invalid settings.
        """
        from rackspace_imagetasks.profile import profile_of

        cloud = self.app.cloud
        profile = profile_of(cloud.config.get("image_tasks"), cloud.name)
        return (
            parsed_args.max_virtual_size or profile.max_virtual_size,
            parsed_args.max_physical_size or profile.max_physical_size,
        )

    def tell(self, sentence: str) -> None:
        """Write a sentence to stderr, unless the user asked for quiet."""
        from rackspace_imagetasks.osc.hints import worded
        from rackspace_imagetasks.osc.streams import write_line

        if self.app.options.verbose_level > 0:
            write_line(self.app.stderr, worded(sentence))
