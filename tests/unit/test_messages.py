# SPDX-License-Identifier: Apache-2.0
import shlex

from oslotest import base

from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.messages import Hint, Message


class MessageTest(base.BaseTestCase):
    def test_untrusted_text_is_made_safe(self):
        """Escapes in the text or in a value never reach the terminal, and a name ends no line."""
        message = Message("Container '\x1b[31m\nx' is full.", Hint.CHOOSE_CONTAINER)
        self.assertEqual("Container '�[31m x' is full. Choose another container.", str(message))

    def test_no_url_shows_a_password(self):
        """Neither in the text nor in a value; other text with such characters stays."""
        for url in ("https://bob:p:w@host.test:5000/v3", "https://bob:p@w@host.test:5000/v3"):
            message = Message(f"No answer ({url}).", Hint.LIST_OBJECTS, {"container": url})
            text = str(message)
            self.assertEqual(2, text.count("https://host.test:5000/v3"))
            self.assertNotIn("bob", text)
        for same in ("http://host/a@b", "http://host?a@b", "http://host and a@b", "a:b@c"):
            self.assertEqual(same, str(Message(same)))

    def test_a_long_text_does_not_hide_the_hint(self):
        """However much a server says, the hint is still there."""
        text = str(Message("x" * 10**6, Hint.CHOOSE_CONTAINER))
        self.assertEqual(len("Choose another container.") + 2001, len(text))

    def test_a_hint_in_other_words(self):
        """A front end words a hint in its own way, and quotes values in commands for a shell."""
        wordings = {Hint.CHOOSE_CONTAINER: "Not {name}: run `rm {name} {others}`."}
        values = {"name": "a b", "others": ["c", "d;e"]}
        message = Message("Full.", Hint.CHOOSE_CONTAINER, values)
        self.assertEqual(
            "Full. Not a b: run `rm 'a b' c 'd;e'`.", message.worded(wordings, shlex.quote)
        )

    def test_an_error_has_a_line_for_each_message(self):
        """All that is wrong is told at once, and a line break in a name makes no new line."""
        error = Refused("One\nname.", Message("Two.", Hint.CHOOSE_CONTAINER))
        self.assertEqual("One name.\nTwo. Choose another container.", str(error))
