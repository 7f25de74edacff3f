# SPDX-License-Identifier: Apache-2.0
"""What the commands share that work on local files, without a cloud or a login."""

import argparse

from osc_lib.command import command


class LocalCommand(command.Command):
    """A command that runs where no cloud is configured."""

    auth_required = False

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command; its errors have the commands' hints."""
        from rackspace_imagetasks.osc.hints import command_hints

        with command_hints():
            return int(super().run(parsed_args))

    def limits(self, parsed_args: argparse.Namespace) -> tuple[int, int]:
        """Return the largest virtual and physical size that may be imported, in bytes.

        They are what the options say, else what clouds.yaml says of the chosen cloud, else the
        provider's own.

        :raises Refused: when clouds.yaml has settings of no meaning.
        """
        from rackspace_imagetasks.profile import profile_of

        cloud = self.app.cloud
        profile = profile_of(cloud.config.get("image_tasks"), cloud.name)
        return (
            parsed_args.max_virtual_size or profile.max_virtual_size,
            parsed_args.max_physical_size or profile.max_physical_size,
        )

    def tell(self, sentence: str) -> None:
        """Say on stderr how it went, unless the user asked for quiet."""
        from rackspace_imagetasks.messages import Message

        if self.app.options.verbose_level > 0:
            self.app.stderr.write(f"{Message(sentence)}\n")
