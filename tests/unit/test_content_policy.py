# SPDX-License-Identifier: Apache-2.0
import dataclasses

from oslotest import base

from rackspace_imagetasks.content_policy import (
    boot_profile_for,
    found_properties,
    judge_arriving,
    judge_leaving,
)
from rackspace_imagetasks.guest.facts import (
    Agent,
    AgentKind,
    BootLoader,
    DiskFacts,
    LoaderKind,
    Mount,
    Place,
    SystemFacts,
    SystemKind,
    VolumeFacts,
)
from rackspace_imagetasks.policy import Verdict
from rackspace_imagetasks.profile import FLEX, GLANCE, RACKSPACE

NTFS = VolumeFacts(name="partition 2", size=1 << 30, start=1 << 20, content="NTFS")
EXT4 = VolumeFacts(name="partition 1", size=1 << 30, start=1 << 20, content="ext4")
KERNEL = Place("partition 2", r"\Windows\System32\ntoskrnl.exe")
RELEASE = Place("partition 1", "/etc/os-release")
BIOS = BootLoader(LoaderKind.BIOS, "GRUB", Place("disk"))
UEFI = BootLoader(LoaderKind.UEFI, "", Place("partition 15", r"\EFI\BOOT\BOOTX64.EFI"), "x86_64")
WINDOWS = SystemFacts(
    kind=SystemKind.WINDOWS, place=KERNEL, id="windows", version="10.0.20348",
    name="Windows Server 2022 Standard", architecture="x86_64",
)  # fmt: skip
DEBIAN = SystemFacts(
    kind=SystemKind.LINUX, place=RELEASE, id="debian", version="12",
    name="Debian GNU/Linux 12 (bookworm)", architecture="x86_64",
)  # fmt: skip


def disk(*systems, volumes=(EXT4, NTFS), loaders=(BIOS,)):
    return DiskFacts(size=1 << 31, table="MBR", volumes=volumes, systems=systems, loaders=loaders)


class TestLicences(base.BaseTestCase):
    def test_windows_to_rackspace(self):
        """Windows is refused by what is inside, with the evidence."""
        verdict = judge_arriving("win.qcow2", disk(WINDOWS), RACKSPACE)
        self.assertEqual(
            [
                (
                    r"'win.qcow2' contains Windows Server 2022 Standard (partition 2 (NTFS):"
                    r" \Windows\System32\ntoskrnl.exe). Its licence cannot be transferred to this"
                    " cloud, so the disk cannot be imported."
                )
            ],
            [str(message) for message in verdict.refusals],
        )

    def test_windows_to_kvm(self):
        """A cloud whose profile names no licences refuses nothing."""
        for profile in (GLANCE, FLEX):
            self.assertEqual((), judge_arriving("w", disk(WINDOWS), profile).refusals)
            self.assertEqual(Verdict(), judge_leaving("w", disk(WINDOWS), profile))

    def test_second_system(self):
        """Windows is refused next to another system, too, and each system by itself."""
        both = disk(DEBIAN, WINDOWS, dataclasses.replace(WINDOWS, name="Windows 11"))
        self.assertEqual(2, len(judge_arriving("d", both, RACKSPACE).refusals))

    def test_installer(self):
        """Installation media of Windows are Windows."""
        media = dataclasses.replace(WINDOWS, is_installer=True)
        self.assertEqual(1, len(judge_arriving("d", disk(media), RACKSPACE).refusals))

    def test_only_like_windows(self):
        """What only looks like Windows is a warning that names the rule, not a refusal."""
        like = dataclasses.replace(WINDOWS, is_certain=False)
        verdict = judge_arriving("d", disk(like), RACKSPACE)
        self.assertEqual((), verdict.refusals)
        self.assertIn("licences cannot be transferred", str(verdict.warnings[0]))

    def test_export(self):
        """Red Hat Enterprise Linux may be imported by Rackspace, but not exported again."""
        redhat = dataclasses.replace(DEBIAN, id="rhel", name="Red Hat Enterprise Linux 9.4")
        self.assertEqual((), judge_arriving("d", disk(redhat), RACKSPACE).refusals)
        [reason] = judge_leaving("d", disk(redhat), RACKSPACE).refusals
        self.assertEqual(
            "'d' contains Red Hat Enterprise Linux 9.4 (partition 1 (ext4): /etc/os-release)."
            " Its licence does not allow an export.",
            str(reason),
        )


class TestWarnings(base.BaseTestCase):
    def test_device_name(self):
        """What keeps a server from starting is a warning, with its place and what to do."""
        mount = Mount("/dev/xvda1", "/", Place("partition 1", "/etc/fstab"))
        facts = disk(dataclasses.replace(DEBIAN, mounts=(mount,)))
        texts = [str(each) for each in judge_arriving("d", facts, FLEX).warnings]
        self.assertTrue(any("(partition 1 (ext4): /etc/fstab)" in text for text in texts), texts)

    def test_unknown_content(self):
        """A disk without a system that is known is not warned about: it may be for data."""
        self.assertEqual(Verdict(), judge_arriving("d", disk(loaders=()), RACKSPACE))


class TestProperties(base.BaseTestCase):
    def test_linux(self):
        """The properties name the system; those for KVM only what needs to be said."""
        expected = {
            "os_type": "linux", "os_distro": "debian", "os_version": "12",
            "architecture": "x86_64",
        }  # fmt: skip
        self.assertEqual(expected, found_properties(disk(DEBIAN), RACKSPACE))
        self.assertEqual(expected, found_properties(disk(DEBIAN), FLEX))

    def test_firmware(self):
        """A disk that only UEFI can start says so to KVM."""
        for loaders, expected in (((UEFI,), "uefi"), ((UEFI, BIOS), None), ((), None)):
            found = found_properties(disk(DEBIAN, loaders=loaders), FLEX)
            self.assertEqual(expected, found.get("hw_firmware_type"))

    def test_guest_agent(self):
        """The agent is used where it is installed."""
        agent = Agent(AgentKind.QEMU_GUEST_AGENT, Place("partition 1", "/usr/sbin/qemu-ga"))
        system = dataclasses.replace(DEBIAN, agents=(agent,))
        self.assertEqual("yes", found_properties(disk(system), FLEX)["hw_qemu_guest_agent"])
        self.assertNotIn("hw_qemu_guest_agent", found_properties(disk(system), RACKSPACE))

    def test_ambiguous(self):
        """Of several systems, or of one that could not be read, nothing is said."""
        like = dataclasses.replace(WINDOWS, is_certain=False)
        for systems in ((), (DEBIAN, WINDOWS), (like,)):
            self.assertEqual({}, found_properties(disk(*systems), FLEX))

    def test_unknown_type(self):
        """os_type has only the values that Nova knows."""
        bsd = SystemFacts(kind=SystemKind.FREEBSD, place=RELEASE, id="freebsd")
        self.assertEqual({"os_distro": "freebsd"}, found_properties(disk(bsd), FLEX))


class TestBootProfile(base.BaseTestCase):
    def test_from_another_platform(self):
        """A Linux with a boot loader needs the properties of a virtual machine with its own one."""
        self.assertEqual("hvm", boot_profile_for(disk(DEBIAN), RACKSPACE))
        self.assertEqual("none", boot_profile_for(disk(DEBIAN), FLEX))

    def test_not_needed(self):
        """Rackspace's own images, other systems, and disks without a boot loader need none."""
        agent = Agent(AgentKind.NOVA_AGENT, Place("partition 1", "/usr/sbin/nova-agent"))
        for facts in (
            None,
            disk(dataclasses.replace(DEBIAN, agents=(agent,))),
            disk(DEBIAN, loaders=()),
            disk(DEBIAN, loaders=(UEFI,)),
            disk(DEBIAN, DEBIAN),
            disk(SystemFacts(kind=SystemKind.FREEBSD, place=RELEASE, id="freebsd")),
        ):
            self.assertEqual("none", boot_profile_for(facts, RACKSPACE))
