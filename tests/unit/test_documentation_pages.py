# SPDX-License-Identifier: Apache-2.0
"""How the test of documented output reads a page, and tells real changes from new identifiers."""

from pathlib import Path

import fixtures
from oslotest import base

from tests.functional import pages

IMAGE, TASK, OTHER = (f"{digit * 8}-1111-2222-3333-{digit * 12}" for digit in "abc")
NEW_IMAGE, NEW_TASK = (f"{digit * 8}-4444-5555-6666-{digit * 12}" for digit in "de")

RST = """\
Title
=====

.. prepare: a disk

.. code-block:: console

   $ openstack image task import disk.qcow2 \\
       --wait
   Importing.

     indented

   $ true

Text with $ in it.

Term
    .. code-block:: console

       $ openstack image list
       none
    Text.
"""


class PageTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.path = Path(self.useFixture(fixtures.TempDir()).path) / "page.rst"

    def commands(self, text):
        self.path.write_text(text)
        return list(pages.Page("page", self.path).commands())

    def test_commands(self):
        """Continuation lines, blank lines in output, several commands, and nested blocks."""
        found = [(each.text, each.output) for each in self.commands(RST)]
        expected = [
            ("openstack image task import disk.qcow2 --wait", "Importing.\n\n  indented"),
            ("true", ""),
            ("openstack image list", "none"),
        ]
        self.assertEqual(expected, found)

    def test_preparations_belong_to_the_next_command(self):
        """A comment prepares the command below it, and no other."""
        self.assertEqual([("a disk",), (), ()], [each.preparations for each in self.commands(RST)])
        markdown = "<!-- prepare: a disk -->\n\n    $ true\n"
        self.assertEqual([("a disk",)], [each.preparations for each in self.commands(markdown)])

    def test_rewrite_changes_the_output_alone(self):
        """What is not output stays as it is, whatever the length of the new output."""
        first, _second, third = self.commands(RST)
        pages.Page("page", self.path).rewrite({first: "Done.", third: "one\n\ntwo"})
        expected = RST.replace("   Importing.\n\n     indented\n", "   Done.\n")
        expected = expected.replace("       none\n", "       one\n\n       two\n")
        self.assertEqual(expected, self.path.read_text())


class TranslationTest(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.translation = pages.Translation()

    def test_new_identifiers_are_no_change(self):
        """Identifiers, times and ports of a new run are those of the page."""
        before = f"{IMAGE} {TASK} 2026-01-02T03:04:05+00:00 in 1.5 s 127.0.0.1:80/"
        real = f"{NEW_IMAGE} {NEW_TASK} 2027-06-07T08:09:10+00:00 in 12.0 s 127.0.0.1:8080/"
        self.assertEqual(before, self.translation.shown(real, before))
        self.assertEqual(f"wait {NEW_TASK}", self.translation.real(f"wait {TASK}"))

    def test_another_text_is_a_change(self):
        """The new text is shown, with the identifiers of the page."""
        shown = self.translation.shown(f"Image {NEW_IMAGE} is ready.", f"Image {IMAGE} is there.")
        self.assertEqual(f"Image {IMAGE} is ready.", shown)

    def test_another_subject_is_a_change(self):
        """One image where the page shows another one is not taken for it."""
        self.translation.shown(f"{NEW_IMAGE} {NEW_TASK}", f"{IMAGE} {TASK}")
        self.assertEqual(TASK, self.translation.shown(NEW_TASK, IMAGE))

    def test_known_identifiers_in_longer_output(self):
        """Where output gains identifiers, those that the page has shown keep their place."""
        self.translation.shown(NEW_IMAGE, IMAGE)
        self.assertEqual(
            f"{IMAGE} {NEW_TASK}", self.translation.shown(f"{NEW_IMAGE} {NEW_TASK}", "")
        )

    def test_lines_that_stay_match_the_identifiers_of_those_that_change(self):
        """A reworded message with another identifier in it keeps the page's identifiers."""
        before = f"Task is running.\n| {TASK} |\n"
        real = f"Task {NEW_TASK} is running.\n| {NEW_TASK} |"
        shown = self.translation.shown(real, before)
        self.assertEqual(f"Task {TASK} is running.\n| {TASK} |", shown)

    def test_other_columns(self):
        """A table with other columns keeps the page's identifiers in those that stay."""
        before = f"| Image | Task |\n| {IMAGE} | {TASK} |"
        real = f"| Name | Task | Image |\n| web | {NEW_TASK} | {NEW_IMAGE} |"
        shown = self.translation.shown(real, before)
        self.assertEqual(f"| Name | Task | Image |\n| web | {TASK} | {IMAGE} |", shown)

    def test_unknown_identifier_in_a_command(self):
        """A command names what the page has shown, or what a preparation has given."""
        self.assertRaises(KeyError, self.translation.real, f"wait {OTHER}")
        self.translation.give(NEW_IMAGE)
        self.assertEqual(f"show {NEW_IMAGE}", self.translation.real(f"show {IMAGE}"))

    def test_order_of_json_keys(self):
        """Servers list properties in any order; other values are a change."""
        before = f'{{"a": "{IMAGE}", "b": 1}}'
        real = f'{{"b": 1, "a": "{NEW_IMAGE}"}}'
        self.assertEqual(before, self.translation.shown(real, before))
        changed = self.translation.shown(real.replace("1", "2", 1), before)
        self.assertNotEqual(before, changed)
