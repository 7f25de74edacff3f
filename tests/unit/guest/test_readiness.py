# SPDX-License-Identifier: Apache-2.0
import dataclasses
import re
from pathlib import Path

from oslotest import base

import rackspace_imagetasks
from rackspace_imagetasks.guest.facts import (
    Agent,
    AgentKind,
    BootLoader,
    CloudInit,
    DiskFacts,
    Driver,
    DriverState,
    InitramfsSetting,
    Kernel,
    LoaderKind,
    Mount,
    Place,
    Seen,
    SystemFacts,
    SystemKind,
    VolumeFacts,
)
from rackspace_imagetasks.guest.readiness import judge_readiness, severities
from rackspace_imagetasks.profile import FLEX, GLANCE, RACKSPACE

ROOT = Place("partition 2")
FSTAB = Place("partition 2", "/etc/fstab")
BIOS = BootLoader(LoaderKind.BIOS, "GRUB", Place("disk"))
UEFI = BootLoader(LoaderKind.UEFI, "", Place("partition 1", "\\EFI\\BOOT\\BOOTX64.EFI"), "x86_64")
VENDOR = dataclasses.replace(UEFI, place=Place("partition 1", "\\EFI\\debian\\shimx64.efi"))
NAMES = ("virtio_blk", "virtio_scsi", "virtio_net", "xen_blkfront", "xen_netfront")


def kernel(state=DriverState.MODULE, **others):
    drivers = tuple(Driver(name, state, ROOT) for name in NAMES)
    return Kernel(
        **{"version": "6.1", "place": ROOT, "is_default": True, "drivers": drivers} | others
    )


GENERIC = InitramfsSetting(True, "MODULES=most", ROOT)
HOST_ONLY = InitramfsSetting(False, "hostonly=yes", ROOT)
LINUX = SystemFacts(
    kind=SystemKind.LINUX,
    place=ROOT,
    id="debian",
    name="Debian",
    architecture="x86_64",
    kernels=(kernel(),),
    initramfs_setting=GENERIC,
    mounts=(Mount("UUID=AB-CD", "/", FSTAB),),
    roots=(Mount("LABEL=root", "/", ROOT),),
    cloud_init=CloudInit("24", None, ROOT),
    consoles=(Seen("ttyS0", ROOT),),
)
WINDOWS = SystemFacts(
    kind=SystemKind.WINDOWS,
    place=Place("partition 2", "\\Windows\\System32\\ntoskrnl.exe"),
    id="windows",
    name="Windows Server 2022",
    architecture="x86_64",
    agents=(Agent(AgentKind.CLOUDBASE_INIT, ROOT),),
    drivers=(
        Driver("viostor", DriverState.MODULE, ROOT),
        Driver("netkvm", DriverState.MODULE, ROOT),
    ),
)
VOLUME = VolumeFacts(name="partition 2", size=1, content="ext4", uuid="ab-cd", label="root")
DISK = DiskFacts(size=1, volumes=(VOLUME,), systems=(LINUX,), loaders=(BIOS,))
LUKS = VolumeFacts(
    name="partition 3", size=1, content="LUKS 2", is_encrypted=True, problem="It is encrypted."
)


def disk(*, loaders=(BIOS,), volumes=(VOLUME,), systems=None, **changes):
    """Return a disk that is ready for anything but for these changes of its Linux system."""
    if systems is None:
        systems = (dataclasses.replace(LINUX, **changes),)
    return dataclasses.replace(DISK, loaders=loaders, volumes=volumes, systems=systems)


def found(facts, profile):
    return {(each.check, each.severity.value) for each in judge_readiness(facts, profile).findings}


class ChecksTest(base.BaseTestCase):
    def assert_findings(self, facts, *, xen=(), kvm=()):
        """Assert exactly these findings, each a check and a severity in a word."""
        for profile, expected in ((RACKSPACE, xen), (GLANCE, kvm)):
            pairs = {tuple(each.split()) for each in expected}
            self.assertEqual(pairs, found(facts, profile), profile.name)

    def test_good_disk(self):
        """A disk with everything that both kinds of cloud need has no finding."""
        self.assert_findings(disk())
        self.assert_findings(disk(loaders=(BIOS, UEFI)))

    def test_licences(self):
        """Windows may not enter Rackspace, RHEL not leave it; elsewhere they are mentioned."""
        self.assert_findings(disk(systems=(WINDOWS,)), xen=["licence error"], kvm=["licence info"])
        self.assert_findings(disk(id="rhel"), xen=["export-licence warning"], kvm=["licence info"])
        self.assert_findings(
            disk(systems=(LINUX, WINDOWS)), xen=["licence error"], kvm=["licence info"]
        )

    def test_evidence_of_a_licence(self):
        """The finding names the file that shows that it is Windows."""
        (finding,) = judge_readiness(disk(systems=(WINDOWS,)), RACKSPACE).findings
        self.assertEqual("partition 2", finding.volume)
        self.assertEqual("\\Windows\\System32\\ntoskrnl.exe", finding.path)
        self.assertIn("Windows Server 2022", finding.text)

    def test_windows_that_cannot_be_read(self):
        """What looks like Windows is a warning that names the rule."""
        windows = dataclasses.replace(WINDOWS, is_certain=False)
        facts = disk(systems=(windows,))
        self.assert_findings(facts, xen=["windows-unknown warning"], kvm=["windows-unknown info"])
        self.assertIn("licences", judge_readiness(facts, RACKSPACE).findings[0].remedy)

    def test_boot_loaders(self):
        """Only BIOS starts disks at Rackspace; UEFI needs a loader at the fallback path."""
        none = ["no-boot-loader error"]
        self.assert_findings(disk(loaders=()), xen=none, kvm=none)
        self.assert_findings(disk(loaders=(UEFI,)), xen=["uefi-only error"], kvm=["uefi-only info"])
        self.assert_findings(
            disk(loaders=(VENDOR,)),
            xen=["uefi-only error"],
            kvm=["uefi-only info", "no-fallback-loader warning"],
        )

    def test_encryption(self):
        """A disk of which only an encrypted volume may be the root does not start."""
        both = ["encrypted-root error", "no-system info", "not-read info"]
        self.assert_findings(disk(volumes=(VOLUME, LUKS), systems=()), xen=both, kvm=both)
        both = ["encrypted-volume info", "not-read info"]
        self.assert_findings(disk(volumes=(VOLUME, LUKS)), xen=both, kvm=both)

    def test_device_names(self):
        """Names of the other hypervisor's disks, in fstab and in the boot loader."""
        for device, xen, kvm in (
            ("/dev/xvda1", [], ["device-name warning"]),
            ("/dev/vda1", ["device-name warning"], []),
            ("/dev/sda1", ["device-name warning"], ["device-name warning"]),
            ("/dev/mapper/vg-root", [], []),
        ):
            for name in ("mounts", "roots"):
                changed = disk(**{name: (Mount(device, "/", FSTAB),)})
                self.assert_findings(changed, xen=xen, kvm=kvm)
            optional = disk(mounts=(Mount(device, "/data", FSTAB, is_optional=True),))
            self.assert_findings(optional)

    def test_root_device(self):
        """A root on another disk is found, unless a volume is unknown."""
        both = ["root-device warning"]
        for device in ("UUID=ffff", "LABEL=ROOT"):
            changed = disk(roots=(Mount(device, "/", FSTAB),))
            self.assert_findings(changed, xen=both, kvm=both)
        unknown = (VOLUME, VolumeFacts(name="partition 3", size=1, problem="Unknown."))
        changed = disk(roots=(Mount("UUID=ffff", "/", FSTAB),), volumes=unknown)
        self.assert_findings(changed, xen=["not-read info"], kvm=["not-read info"])
        self.assert_findings(disk(mounts=(Mount("UUID=AB-CD", "/", FSTAB),)))

    def test_drivers(self):
        """Drivers are needed in the kernel, the initramfs, or one that is made for any hardware."""
        both = {"xen": ["xen-driver warning"], "kvm": ["virtio-driver warning"]}
        initramfs = {"initramfs": ROOT, "initramfs_is_read": True}
        network = [Driver(name, DriverState.MODULE, ROOT) for name in NAMES if "net" in name]
        for system, expected in (
            ({"kernels": (kernel(DriverState.BUILT_IN),), "initramfs_setting": HOST_ONLY}, {}),
            ({"kernels": (kernel(DriverState.INITRAMFS, **initramfs),)}, {}),
            ({"kernels": (kernel(DriverState.UNKNOWN),)}, {}),
            ({"kernels": (kernel(DriverState.UNKNOWN, **initramfs),)}, both),
            ({"kernels": (kernel(DriverState.MISSING),)}, both),
            ({"initramfs_setting": HOST_ONLY}, both),
            ({"kernels": (kernel(**initramfs),)}, both),
            ({"kernels": (kernel(drivers=tuple(network), **initramfs),)}, {}),
            (
                {"initramfs_setting": None},
                {"xen": ["initramfs-not-read info"], "kvm": ["initramfs-not-read info"]},
            ),
        ):
            self.assert_findings(disk(**system), **expected)

    def test_one_driver_of_two(self):
        """One of the two drivers of virtio disks is enough."""
        usable = Driver("virtio_scsi", DriverState.BUILT_IN, ROOT)
        missing = Driver("virtio_blk", DriverState.MISSING, ROOT)
        self.assert_findings(disk(kernels=(kernel(drivers=(missing, usable)),)))

    def test_drivers_of_windows(self):
        """Windows needs drivers for KVM that it does not have by itself."""
        windows = dataclasses.replace(WINDOWS, drivers=())
        texts = [
            each.text
            for each in judge_readiness(disk(systems=(windows,)), GLANCE).findings
            if each.check == "virtio-driver"
        ]
        expected = ["Driver viostor or vioscsi is missing.", "Driver netkvm is missing."]
        self.assertEqual(expected, texts)

    def test_hibernation(self):
        """Windows that would continue on another server is warned about."""
        windows = dataclasses.replace(WINDOWS, is_hibernated=True)
        facts = disk(systems=(windows,))
        hibernated = ("hibernated", "warning")
        self.assertEqual({hibernated, ("licence", "info")}, found(facts, GLANCE))
        self.assertIn(hibernated, found(facts, RACKSPACE))

    def test_first_boot(self):
        """Something must set up a new server; nova-agent does so at Rackspace only."""
        both = ["first-boot warning"]
        self.assert_findings(disk(cloud_init=None), xen=both, kvm=both)
        disabled = CloudInit("24", None, ROOT, is_disabled=True)
        self.assert_findings(disk(cloud_init=disabled), xen=both, kvm=both)
        agents = (Agent(AgentKind.NOVA_AGENT, ROOT),)
        self.assert_findings(disk(cloud_init=None, agents=agents), kvm=[*both, "xen-agent info"])
        windows = dataclasses.replace(WINDOWS, agents=())
        self.assertIn(("first-boot", "warning"), found(disk(systems=(windows,)), GLANCE))

    def test_datasources(self):
        """A list of data sources must have one of the target's."""
        both = ["datasource warning"]
        for names, xen, kvm in (
            (("NoCloud", "None"), both, both),
            (("OpenStack",), both, []),
            (("ConfigDrive", "None"), [], []),
        ):
            changed = disk(cloud_init=CloudInit("24", names, ROOT, FSTAB))
            self.assert_findings(changed, xen=xen, kvm=kvm)

    def test_network(self):
        """The old network card matters always, an old address only if nothing replaces it."""
        rules = (Seen("ATTR{address}", ROOT),)
        both = ["network-hardware warning"]
        self.assert_findings(disk(hardware_bindings=rules), xen=both, kvm=both)
        self.assert_findings(disk(addresses=rules))
        both = ["fixed-address warning", "first-boot warning"]
        self.assert_findings(disk(addresses=rules, cloud_init=None), xen=both, kvm=both)

    def test_information(self):
        """What is good to know does not make a disk less ready."""
        for changes, xen, kvm in (
            ({"consoles": (Seen("tty0", ROOT),)}, [], ["console info"]),
            ({"identities": (Seen("machine ID", ROOT),)}, *[["identity info"]] * 2),
            ({"unreadable": (Seen("damaged", FSTAB),)}, *[["not-read info"]] * 2),
            ({"volumes": (dataclasses.replace(VOLUME, notes=("x",)),)}, *[["doubtful info"]] * 2),
            ({"systems": ()}, *[["no-system info"]] * 2),
        ):
            self.assert_findings(disk(**changes), xen=xen, kvm=kvm)

    def test_others(self):
        """Installation media, no kernel, foreign processors, systems that are only named."""
        media = dataclasses.replace(LINUX, is_installer=True)
        both = ["installation-media warning"]
        self.assert_findings(disk(systems=(media,)), xen=both, kvm=both)
        self.assert_findings(disk(kernels=()), xen=["no-kernel warning"], kvm=["no-kernel warning"])
        self.assert_findings(disk(architecture="aarch64"), xen=["architecture error"])
        bsd = SystemFacts(
            kind=SystemKind.FREEBSD, place=ROOT, id="freebsd", name="FreeBSD", is_certain=False
        )
        both = ["system-not-read info"]
        self.assert_findings(disk(systems=(bsd,)), xen=both, kvm=both)


class DocumentationTest(base.BaseTestCase):
    def test_table_of_checks(self):
        """The page for users has every check, with its severity for each kind of cloud."""
        page = Path(rackspace_imagetasks.__file__).parents[1] / "doc/source/user/inspect.rst"
        rows = re.findall(
            r"^   \* - ``(.+)``\n     -(.*)\n     -(.*)\n     - \S", page.read_text(), re.MULTILINE
        )
        for column, profile in ((1, RACKSPACE), (2, GLANCE)):
            documented = {row[0]: row[column].strip() for row in rows if row[column].strip()}
            words = {"info": "information"}
            expected = {
                check: words.get(severity, severity)
                for check, severity in severities(profile).items()
            }
            self.assertEqual(expected, documented)


class VerdictTest(base.BaseTestCase):
    def test_verdicts(self):
        """The first line answers the question, and counts what there is."""
        unready = disk(loaders=(UEFI,), cloud_init=None, kernels=())
        for facts, profile, expected in (
            (disk(), RACKSPACE, "Ready for Rackspace"),
            (disk(), FLEX, "Ready for Flex"),
            (disk(cloud_init=None), GLANCE, "Ready for KVM, with 1 warning"),
            (disk(cloud_init=None, kernels=()), GLANCE, "Ready for KVM, with 2 warnings"),
            (unready, RACKSPACE, "Not ready for Rackspace: 1 error, 2 warnings"),
            (disk(loaders=()), GLANCE, "Not ready for KVM: 1 error"),
            (
                disk(systems=()),
                GLANCE,
                "Perhaps ready for KVM: no operating system could be read",
            ),
        ):
            readiness = judge_readiness(facts, profile)
            self.assertEqual(expected, readiness.verdict)
            self.assertEqual("Not ready" not in expected, readiness.is_ready)

    def test_order(self):
        """Errors come first, information last."""
        facts = disk(loaders=(UEFI,), cloud_init=None, identities=(Seen("machine ID", ROOT),))
        severities = [each.severity for each in judge_readiness(facts, RACKSPACE).findings]
        self.assertEqual(["error", "warning", "info"], severities)
