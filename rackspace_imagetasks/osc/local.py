# SPDX-License-Identifier: Apache-2.0
"""What the commands for local files share: they need neither a cloud nor a login."""

import argparse
import functools
import typing

from rackspace_imagetasks.osc.command import PluginCommand

if typing.TYPE_CHECKING:
    from rackspace_imagetasks.bytesource import ByteSource
    from rackspace_imagetasks.cloud import Cloud
    from rackspace_imagetasks.objects.names import ObjectName


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


class SourceCommand(LocalCommand):
    """A command that reads a local file or, with a cloud, an object."""

    def open_bytes(self, name: str) -> "ByteSource":
        """Open a local file, or an object if there is no file with that name.

        :raises SourceError, NotFound: if it cannot be read.
        """
        from rackspace_imagetasks.bytesource import FileSource
        from rackspace_imagetasks.osc.locations import Location

        location = Location.parse(name)
        if location.object is None:
            return FileSource(location.path or name)
        return self._open_object(location.object)

    def _open_object(self, name: "ObjectName") -> "ByteSource":
        from keystoneauth1.exceptions import ClientException
        from openstack.exceptions import SDKException

        from rackspace_imagetasks.exceptions import ImageTasksError, NotFound
        from rackspace_imagetasks.messages import Message
        from rackspace_imagetasks.objects.source import ObjectSource

        try:
            return ObjectSource(self.cloud.objects, name)
        except ImageTasksError as error:
            text = f"File '{name}' not found, and looking for an object with that name failed:"
            last = error.messages[-1]
            raise NotFound(Message(f"{text} {error.text}", last.hint, last.values)) from error
        except (ClientException, SDKException) as error:
            reason = str(error).rstrip(".")
            raise NotFound(
                f"File '{name}' not found, and no cloud is available to look for an object with"
                f" that name: {reason}."
            ) from error

    @functools.cached_property
    def cloud(self) -> "Cloud":
        """The cloud, which local files do not need."""
        import openstack.connection

        from rackspace_imagetasks.imagetasks import ImageTasks
        from rackspace_imagetasks.osc.progress import LineProgress, QuietProgress

        config = self.app.cloud_config.get_one(
            cloud=self.app.options.cloud, argparse=self.app.options
        )
        connection = openstack.connection.Connection(config=config)
        is_quiet = self.app.options.verbose_level == 0
        progress = QuietProgress() if is_quiet else LineProgress(self.app.stderr, verbose=False)
        return ImageTasks(connection, progress=progress).cloud
