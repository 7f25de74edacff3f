# SPDX-License-Identifier: Apache-2.0
import importlib.metadata
import subprocess
import sys

from oslotest import base

GROUP = "openstack.rackspace_imagetasks.v2"


def _commands(groups):
    """Give (group, command as typed) for all entry points of command groups."""
    return [
        (point.dist.name, point.name.replace("_", " "))
        for group in groups
        for point in importlib.metadata.entry_points(group=group)
    ]


class PluginTest(base.BaseTestCase):
    def test_no_command_of_another_is_overridden(self):
        """A plugin silently wins over a core command of the same name; ours never meet."""
        groups = [g for g in importlib.metadata.entry_points().groups if g.startswith("openstack.")]
        ours = {name for dist, name in _commands([GROUP])}
        others = {name for dist, name in _commands(groups) if dist != "rackspace-imagetasks"}
        self.assertIn("image task export", ours)
        self.assertIn("image task show", others)
        self.assertEqual(set(), ours & others)

    def test_every_command_loads(self):
        """Each entry point names a command with a description and a parser."""
        for point in importlib.metadata.entry_points(group=GROUP):
            command = point.load()
            self.assertTrue(command._description, point.name)
            command(None, None).get_parser(f"openstack {point.name}")

    def test_loading_is_light(self):
        """All command modules and the plugin together load none of the heavy modules.

        They are imported on every `openstack` call, whatever the command.
        """
        program = f"""
import importlib.metadata, sys
import osc_lib.command.command, osc_lib.cli.parseractions, osc_lib.utils, oslo_i18n
before = set(sys.modules)
for group in ('openstack.cli.extension', '{GROUP}'):
    for point in importlib.metadata.entry_points(group=group):
        if point.dist.name == 'rackspace-imagetasks':
            point.load()
print(*sorted(set(sys.modules) - before))
"""
        loaded = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout.split()
        light = ("rackspace_imagetasks", "osc_lib.", "cliff.")
        foreign = [name for name in loaded if not name.startswith(light)]
        self.assertEqual([], foreign)
        for module in ("formats.vhd", "objects", "jobs", "imagetasks", "sources", "osc.progress"):
            self.assertNotIn(f"rackspace_imagetasks.{module}", loaded)
