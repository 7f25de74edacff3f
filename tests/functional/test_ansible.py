# SPDX-License-Identifier: Apache-2.0
"""The Ansible example of the documentation."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.functional import cloudcase

PLAYBOOK = Path(__file__).parents[2] / "examples/ansible/transfer.yml"
PROGRAMS = Path(sys.executable).parent


class AnsibleTest(cloudcase.CloudTestCase):
    def play(self, *images):
        """Run the playbook; give its statistics and what it printed."""
        values = json.dumps({"cloud": "alice", "images": images})
        outcome = subprocess.run(
            [PROGRAMS / "ansible-playbook", "-i", "localhost,", PLAYBOOK, "-e", values],
            env=os.environ
            | {
                "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
                "HOME": str(self.tmp),
                "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
                "ANSIBLE_NOCOLOR": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return outcome.returncode, outcome.stdout + outcome.stderr

    def test_the_second_run_changes_nothing(self):
        """The first run transfers, the second is all "ok"; an unknown image fails the play."""
        names = []
        for number in range(2):
            names.append(f"web-{number}-{self.mark}")
            words = ("import", self.corpus("go-vhd-xapi.vhd"), "--wait", "--name", names[-1])
            self.task(*words)
        for changed in (1, 0):
            status, printed = self.play(*names)
            self.assertEqual(0, status, printed)
            self.assertIn(f"changed={changed} ", printed)
        copies = [image.name for image in self.sdk(region="ORD").image.images()]
        self.assertEqual([1, 1], [copies.count(name) for name in names])
        status, printed = self.play(names[0], "no-such-image")
        self.assertEqual(2, status, printed)
        self.assertIn("Image 'no-such-image' not found", printed)
