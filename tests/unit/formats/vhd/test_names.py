# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys

from oslotest import base

from rackspace_imagetasks.formats import vhd


class NamesTest(base.BaseTestCase):
    def test_public_names(self):
        """Each public name can be imported; any other name raises AttributeError."""
        for name in vhd.__all__:
            self.assertEqual(name, getattr(vhd, name).__name__)
        self.assertRaises(AttributeError, getattr, vhd, "convert")

    def test_to_judge_loads_no_writer(self):
        """Validating files does not load the modules that write them."""
        code = (
            "import sys; from rackspace_imagetasks.formats.vhd import check;"
            "sys.exit(any(name.endswith(('formats.writer', 'vhd.layout')) for name in sys.modules))"
        )
        self.assertEqual(0, subprocess.run([sys.executable, "-c", code], check=False).returncode)
