# SPDX-License-Identifier: Apache-2.0
"""Which volumes belong to a system."""

from oslotest import base

from rackspace_imagetasks.guest._devices import OpenVolume, volume_of
from rackspace_imagetasks.guest._systems import systems_in
from rackspace_imagetasks.guest._windows_facts import windows_facts
from rackspace_imagetasks.guest.facts import SystemKind, VolumeFacts
from rackspace_imagetasks.guest.systems import windows
from rackspace_imagetasks.guest.systems.windows import Role, Windows
from tests.unit.guest.fake_files import FakeFileSystem


def volume(name, files=None, partition_uuid="", **facts):
    facts = VolumeFacts(name=name, size=1 << 30, **facts)
    return OpenVolume(facts, FakeFileSystem(files or {}), partition_uuid)


VOLUMES = (
    volume("partition 1", label="boot", uuid="0B8B-3B6E", title="EFI"),
    volume("partition 2", uuid="11111111-aaaa", partition_uuid="ABCD-02"),
    volume("logical volume my-vg/root", label="root"),
    volume("disk"),
)


class DevicesTest(base.BaseTestCase):
    def test_names_of_devices(self):
        """Tags, links of udev, names of partitions by any driver, and of logical volumes."""
        for device, name in {
            "UUID=0b8b-3b6e": "partition 1",
            "LABEL=root": "logical volume my-vg/root",
            "PARTUUID=abcd-02": "partition 2",
            "PARTLABEL=EFI": "partition 1",
            "/dev/disk/by-uuid/11111111-aaaa": "partition 2",
            "/dev/disk/by-label/boot": "partition 1",
            "/dev/xvda2": "partition 2",
            "/dev/vda1": "partition 1",
            "/dev/nvme0n1p2": "partition 2",
            "/dev/vda": "disk",
            "/dev/mapper/my--vg-root": "logical volume my-vg/root",
            "/dev/my-vg/root": "logical volume my-vg/root",
        }.items():
            found = volume_of(device, VOLUMES)
            self.assertEqual(name, found and found.facts.name, device)

    def test_devices_elsewhere(self):
        """Other disks, other tags and empty identities are not on this disk."""
        for device in ("/dev/sdb1", "/dev/xvda3", "UUID=", "LABEL=", "UUID=2", "ID=1", "tmpfs", ""):
            self.assertIsNone(volume_of(device, VOLUMES), device)


ROOT = {"/etc/os-release": "ID=debian\n", "/etc/fstab": "UUID=b /boot ext4 defaults 0 2\n"}
SYSLINUX = {"/syslinux.cfg": "LABEL l\n KERNEL vmlinuz\n APPEND root=/dev/vda2\n"}


class SystemsTest(base.BaseTestCase):
    def systems(self, *volumes):
        return systems_in([each.facts for each in volumes], volumes, deep=False)

    def test_boot_partition(self):
        """What fstab mounts at /boot is where the kernels are."""
        boot = volume("partition 1", {"/vmlinuz-6.1": "kernel"}, uuid="b")
        (system,) = self.systems(boot, volume("partition 2", ROOT))
        self.assertEqual(("debian", "partition 2"), (system.id, system.place.volume))
        self.assertEqual("partition 1", system.default_kernel.place.volume)

    def test_two_systems(self):
        """Each system is found; a boot loader in a volume of its own belongs to the only one."""
        loader = volume("partition 3", SYSLINUX)
        one = self.systems(volume("partition 1", ROOT), loader)
        self.assertEqual(["/dev/vda2"], [root.device for root in one[0].roots])
        found = self.systems(volume("partition 1", ROOT), volume("partition 2", ROOT), loader)
        self.assertEqual(2, len(found))
        self.assertEqual([(), ()], [system.roots for system in found])

    def test_agents_of_windows(self):
        """What is found of Windows becomes facts, each of its agents and drivers as well."""
        agents = ("cloudbase-init", "nova-agent", "qemu-guest-agent", "xe-guest-utilities")
        found = Windows(
            Role.INSTALLED, "\\x", "Windows", build="1.2", agents=agents, drivers=("viostor",)
        )
        self.assertEqual(set(agents), set(windows._AGENTS))
        facts = windows_facts(found, "partition 1")
        self.assertEqual(agents, tuple(agent.kind.value for agent in facts.agents))
        self.assertEqual(["viostor"], [driver.name for driver in facts.drivers])
        self.assertEqual(("1.2", "windows"), (facts.version, facts.id))

    def test_bsd(self):
        """A BSD is named once, by the types of its partitions."""
        types = ("FreeBSD UFS", "FreeBSD swap", "Linux")
        volumes = [VolumeFacts(name=f"p{n}", size=1, type=each) for n, each in enumerate(types)]
        (system,) = systems_in(volumes, (), deep=False)
        self.assertEqual((SystemKind.FREEBSD, False), (system.kind, system.is_certain))
