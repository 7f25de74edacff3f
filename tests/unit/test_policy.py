# SPDX-License-Identifier: Apache-2.0
import dataclasses

from oslotest import base

from rackspace_imagetasks import policy
from rackspace_imagetasks.exceptions import Refused
from rackspace_imagetasks.formats import vhd
from rackspace_imagetasks.glance.settings import ImageSettings
from rackspace_imagetasks.osc.hints import WORDINGS
from rackspace_imagetasks.profile import RACKSPACE
from rackspace_imagetasks.units import GIB
from tests.unit.formats.vhd.builder import by_qemu, dynamic

WEB = policy.ImageFacts(
    id="1",
    name="web",
    owner="acme",
    status="active",
    visibility="private",
    size=100,
    virtual_size=40 * GIB,
    min_disk=40,
    min_ram=0,
    tags=(),
    properties={},
)


class ExportTest(base.BaseTestCase):
    def judge(self, project="acme", **changes):
        return policy.judge_export(dataclasses.replace(WEB, **changes), project, RACKSPACE)

    def test_own_active_image_of_40_gib(self):
        """The largest disk that can come back is exported without a word."""
        self.assertEqual(policy.Verdict(), self.judge())

    def test_too_large_to_come_back_is_a_warning(self):
        """A disk, or a min_disk, over the import limit is exported, and said."""
        for changes in ({"virtual_size": 40 * GIB + 1}, {"min_disk": 41, "virtual_size": None}):
            verdict = self.judge(**changes)
            self.assertEqual((), verdict.refusals)
            self.assertIn("exported but not imported again", str(verdict.warnings[0]))

    def test_all_reasons_at_once(self):
        """A shared, deactivated Windows image is refused for each of the three."""
        verdict = self.judge("other", status="deactivated", properties={"os_type": "Windows"})
        self.assertEqual(3, len(verdict.refusals))
        error = self.assertRaises(Refused, verdict.enforce)
        self.assertEqual(verdict.refusals, error.messages)

    def test_public_image(self):
        """A public image is refused even to its owner: its copy would be."""
        self.assertIn("is public", str(self.judge(visibility="public").refusals[0]))

    def test_licence_property(self):
        """Only an absent, empty or zero licence property lets an image out."""
        key = "com.rackspace__1__options"
        for value in ("0", ""):
            self.assertEqual((), self.judge(properties={key: value}).refusals)
        for value in ("1", "4", "00", "None"):
            self.assertIn(key, str(self.judge(properties={key: value}).refusals[0]))

    def test_licensed_systems(self):
        """Windows and Red Hat stay, by os_distro or os_type, in any case."""
        for properties in ({"os_distro": "rhel"}, {"os_distro": "WINDOWS"}, {"os_type": "windows"}):
            self.assertIn("licence", str(self.judge(properties=properties).refusals[0]))
        self.assertEqual((), self.judge(properties={"os_distro": "ubuntu"}).refusals)

    def test_a_hostile_name_is_defused(self):
        """A name that another project chose cannot write escapes to the terminal."""
        verdict = self.judge("other", name="\x1b]0;x")
        error = self.assertRaises(Refused, verdict.enforce)
        self.assertTrue(str(error).isprintable())


class VhdTest(base.BaseTestCase):
    def test_errors_refuse_and_warnings_warn(self):
        """Each finding is one sentence, of its kind; the service's code is told of errors alone."""
        verdict = policy.judge_vhd(vhd.check(by_qemu().footer(85, 1, 1)))
        (refusal,), (warning,) = (
            [message.worded(WORDINGS) for message in messages]
            for messages in (verdict.refusals, verdict.warnings)
        )
        self.assertIn("'test.vhd': error 111: The disk is marked as hidden", refusal)
        self.assertIn("'test.vhd': The disk was created by 'qemu'", warning)
        for sentence in (refusal, warning):
            self.assertTrue(sentence.endswith(" a VHD that XenServer can resize."), sentence)

    def test_a_good_one(self):
        """Nothing is said of it."""
        self.assertEqual(policy.Verdict(), policy.judge_vhd(vhd.check(dynamic())))


FORBIDDEN = RACKSPACE.container_name_forbids


class ContainerTest(base.BaseTestCase):
    def test_names_that_the_service_refuses(self):
        """Each bad character is named, and another container is the remedy."""
        for name in ("a/b", "a?b", "a.b"):
            refusal = str(policy.judge_container_name(name, FORBIDDEN).refusals[0])
            self.assertIn(repr(name[1]), refusal)
            self.assertIn("Choose another container", refusal)
        self.assertEqual((), policy.judge_container_name("my exports %", FORBIDDEN).refusals)

    def test_a_slash_is_never_part_of_a_name(self):
        """Swift would take what follows for an object, and truncate it."""
        self.assertTrue(policy.judge_container_name("images/base.vhd").refusals)
        self.assertEqual((), policy.judge_container_name("a.b?").refusals)

    def test_length_is_in_bytes(self):
        """Swift counts a container's name in bytes of UTF-8."""
        self.assertTrue(policy.judge_container_name("é" * 129).refusals)
        self.assertTrue(policy.judge_container_name("").refusals)
        for name in ("c", "é" * 128):
            self.assertEqual((), policy.judge_container_name(name).refusals)


class StandardTest(base.BaseTestCase):
    def judge(self, name="web", **settings):
        verdict = policy.judge_standard(name, ImageSettings(**settings))
        return [[str(each) for each in part] for part in (verdict.refusals, verdict.warnings)]

    def test_limits(self):
        """What Glance stores by default is accepted up to its limits, and no further."""
        many = {f"key{number}": "" for number in range(128)}
        tags = tuple(map(str, range(128)))
        for count, settings in (
            (0, {"name": "é" * 255}),
            (1, {"name": "e" * 256}),
            (1, {"name": ""}),
            (0, {"properties": many}),
            (1, {"properties": many | {"more": ""}}),
            (0, {"properties": {"é" * 255: "é" * 32767}}),
            (2, {"properties": {"e" * 256: "", "large": "é" * 32768}}),
            (1, {"properties": {"": "value"}}),
            (1, {"properties": {"visibility": "public"}}),
            (0, {"tags": (*tags, "1")}),
            (1, {"tags": (*tags, "more")}),
            (1, {"tags": ("e" * 256,)}),
            (0, {"name": "\uffff", "tags": ("\uffff",), "properties": {"\uffff": "\uffff"}}),
            (4, {"name": "😀", "tags": ("😀",), "properties": {"😀": "😀"}}),
        ):
            refusals, warnings = self.judge(**settings)
            self.assertEqual((count, []), (len(refusals), warnings), settings)

    def test_reserved_properties(self):
        """Properties that only Glance can set are left out, and that is said."""
        properties = {"os_glance_stage_host": "x", "os_hash_value": "1", "os_hash_other": "2"}
        kept = {"os_distro": "debian"}
        self.assertEqual(kept, policy.storable_properties(properties | kept))
        refusals, warnings = self.judge(properties=properties | kept)
        self.assertEqual(1, len(refusals))  # for the attribute os_hash_value
        self.assertEqual(2, len(warnings))
        self.assertIn("'os_glance_stage_host'", warnings[0])

    def test_public(self):
        """Visibility that most users cannot set is a warning."""
        self.assertEqual([], self.judge(visibility="shared")[1])
        refusals, warnings = self.judge(visibility="public")
        self.assertEqual(([], 1), (refusals, len(warnings)))
        self.assertIn("administrators", warnings[0])


class ImportTest(base.BaseTestCase):
    def judge(self, name, **settings):
        verdict = policy.judge_import(name, ImageSettings(**settings), RACKSPACE)
        return [str(refusal) for refusal in verdict.refusals]

    def test_everything_wrong_at_once(self):
        """No name, a Windows image, too large a min_disk and a protected property: four."""
        properties = {"os_type": "windows", "com.rackspace__1__options": "0"}
        self.assertEqual(4, len(self.judge(" ", properties=properties, min_disk=41)))

    def test_length_of_a_name(self):
        """The image service takes 255 characters, whatever their bytes, and no more."""
        for name, refusals in (("é" * 255, 0), ("e" * 256, 1)):
            self.assertEqual(refusals, len(self.judge(name)))

    def test_attributes_are_no_properties(self):
        """What a JSON patch would change beside the properties is refused, before the upload."""
        properties = {"id": "1", "min_disk": "5", "visibility": "public", "os_distro": "debian"}
        refusals = self.judge("web", properties=properties)
        self.assertEqual(["'id'", "'min_disk'", "'visibility'"], [r.split()[0] for r in refusals])

    def test_an_ordinary_linux_image(self):
        """Nothing stands in the way of it."""
        settings = {"properties": {"os_distro": "debian"}, "tags": ("x",), "min_disk": 40}
        self.assertEqual([], self.judge("web", **settings))

    def test_characters_that_the_service_cannot_store(self):
        """Glance refuses emoji in names, tags and properties, so they are refused before."""
        refusals = self.judge(
            "web\U0001f600",
            tags=("\U0001f600", "\uffff"),
            properties={"a\U0001f600": "x", "b": "\U0001f600", "c": "\u65e5\u672c"},
        )
        self.assertEqual(4, len(refusals))
        for refusal, begin in zip(
            refusals, ("Image name", "Tag", "Property name", "Property 'b'"), strict=True
        ):
            self.assertTrue(refusal.startswith(begin), refusal)
            self.assertIn("U+1F600", refusal)

    def test_tags(self):
        """Each tag that Glance would refuse, after the upload, is refused before."""
        refusals = self.judge("web", tags=("", "x" * 256, "x" * 255))
        self.assertEqual(2, len(refusals))
        self.assertIn("has 256", refusals[1])
