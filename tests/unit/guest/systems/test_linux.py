# SPDX-License-Identifier: Apache-2.0
import gzip
import lzma
import struct

import hypothesis
from oslotest import base

from rackspace_imagetasks.guest.facts import AgentKind, DriverState, Place, SystemFacts
from rackspace_imagetasks.guest.fence import _records
from rackspace_imagetasks.guest.systems.linux import is_linux, linux
from tests.unit.guest.fake_files import Broken, Link, system_files

DEBIAN = """\
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
ID=debian
"""
VERSION = "6.1.0-18-cloud-amd64"
UUID = "0b8b3b6e-4e2a-4f0c-9f5d-0f6ad3f4f1c2"
# As update-grub of Debian 12 writes it, shortened.
GRUB = f"""\
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
if [ "${{next_entry}}" ] ; then
   set default="${{next_entry}}"
   set next_entry=
else
   set default="0"
fi
function load_video {{
  insmod all_video
}}
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-1' {{
\tload_video
\tif [ x$grub_platform = xxen ]; then insmod xzio; fi
\tlinux\t/boot/vmlinuz-{VERSION} root=UUID={UUID} ro console=tty0 console=ttyS0,115200
\tinitrd\t/boot/initrd.img-{VERSION}
}}
submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-1' {{
\tmenuentry 'Debian, with Linux old' --class debian $menuentry_id_option 'gnulinux-old-1' {{
\t\tlinux\t/boot/vmlinuz-6.1.0-9-cloud-amd64 root=/dev/xvda1 ro single
\t\tinitrd\t/boot/initrd.img-6.1.0-9-cloud-amd64
\t}}
}}
"""


def elf(machine):
    return b"\x7fELF\x02\x01\x01" + bytes(11) + struct.pack("<H", machine) + bytes(100)


def cpio(*names):
    """Return an archive of empty files in the format newc."""
    archive = b""
    for name in (*names, "TRAILER!!!"):
        raw = name.encode() + b"\0"
        fields = [0] * 13
        fields[11] = len(raw)
        header = b"070701" + b"".join(b"%08X" % field for field in fields)
        archive += header + raw + bytes(-(len(header) + len(raw)) % 4)
    return archive


def debian(**others):
    """Return the files of a Debian server; a keyword that is not a path replaces a file."""
    return {
        "/etc/os-release": Link("../usr/lib/os-release"),
        "/usr/lib/os-release": DEBIAN,
        "/bin": Link("usr/bin"),
        "/usr/bin/sh": Link("dash"),
        "/usr/bin/dash": elf(62),
        "/etc/fstab": f"# comment\nUUID={UUID} / ext4 rw,errors=remount-ro 0 1\n"
        "/dev/xvdb1 none swap sw 0 0\nproc /proc proc defaults 0 0\n"
        "/dev/xvdc1 /mnt/a\\040b ext4 defaults,nofail 0 2\n",
        "/boot/grub/grub.cfg": GRUB,
        f"/boot/vmlinuz-{VERSION}": "kernel",
        "/boot/vmlinuz-6.1.0-9-cloud-amd64": "kernel",
        f"/boot/initrd.img-{VERSION}": b"",
        f"/lib/modules/{VERSION}/modules.builtin": "kernel/fs/ext4/ext4.ko\n",
        f"/lib/modules/{VERSION}/modules.dep": (
            "kernel/drivers/block/virtio_blk.ko.xz: kernel/drivers/virtio/virtio.ko.xz\n"
            "kernel/drivers/block/xen-blkfront.ko.xz:\n"
        ),
        "/lib/modules/6.1.0-9-cloud-amd64/modules.dep": "",
        "/etc/initramfs-tools/initramfs.conf": "MODULES=most\nBUSYBOX=auto\n",
    } | others


def facts(files, *, mounts=None, deep=False):
    return linux(system_files(files, mounts), deep=deep)


class DistributionTest(base.BaseTestCase):
    def test_debian(self):
        """os-release is found through links, the architecture is that of the shell."""
        found = facts(debian())
        self.assertEqual(
            ("debian", "12", "Debian GNU/Linux 12 (bookworm)", "x86_64"),
            (found.id, found.version, found.name, found.architecture),
        )
        self.assertEqual(Place("partition 2", "/etc/os-release"), found.place)

    def test_systems_without_os_release(self):
        """Older systems have files of their own, and the Red Hat family one with a sentence."""
        for path, text, expected in (
            ("/etc/redhat-release", "CentOS release 6.10 (Final)\n", ("centos", "6.10")),
            (
                "/etc/redhat-release",
                "Red Hat Enterprise Linux Server release 6.5 (Santiago)\n",
                ("rhel", "6.5"),
            ),
            ("/etc/debian_version", "7.11\n", ("debian", "7.11")),
        ):
            files = {path: text, "/bin/sh": elf(3)}
            found = facts(files)
            self.assertEqual((*expected, "i686"), (found.id, found.version, found.architecture))
            self.assertEqual(path, found.place.path)

    def test_what_is_no_system(self):
        """A boot partition and a home partition are no systems; an unknown distribution is one."""
        self.assertFalse(is_linux(system_files({"/grub/grub.cfg": GRUB})))
        self.assertFalse(is_linux(system_files({"/alice/.bashrc": ""})))
        bare = {"/sbin/init": Link("/nowhere"), "/etc/fstab": "", "/lib/modules/1/modules.dep": ""}
        self.assertTrue(is_linux(system_files(bare)))
        self.assertEqual("", facts(bare).id)

    def test_damaged_files_cost_only_their_own_facts(self):
        """A file that cannot be read is named, and everything else is known."""
        found = facts(debian(**{"/etc/fstab": Broken}))
        self.assertEqual((), found.mounts)
        self.assertEqual("debian", found.id)
        (seen,) = found.unreadable
        self.assertEqual(Place("partition 2", "/etc/fstab"), seen.place)
        self.assertIn("outside of the volume", seen.text)


PATHS = (
    "/etc/os-release", "/etc/fstab", "/etc/redhat-release", "/boot/grub/grub.cfg",
    "/boot/grub/grubenv", "/boot/grub/menu.lst", "/boot/extlinux.conf", "/boot/loader/loader.conf",
    "/boot/loader/entries/a.conf", f"/boot/initrd.img-{VERSION}", "/boot/vmlinuz-linux",
    f"/lib/modules/{VERSION}/modules.dep", "/etc/cloud/cloud.cfg", "/etc/dracut.conf",
    "/usr/lib/python3/dist-packages/cloudinit/version.py", "/etc/netplan/a.yaml", "/etc/inittab",
    "/etc/mkinitcpio.conf", "/etc/mkinitfs/mkinitfs.conf", "/usr/bin/dash",
)  # fmt: skip
WORDS = (
    b"\n", b" ", b"{", b"}", b"=", b"'", b'"', b"menuentry", b"submenu", b"linux", b"initrd",
    b"set default=", b"blscfg", b"default", b"label", b"append", b"include a", b"title", b"kernel",
    b"/", b"#", b"[", b"]", b"datasource_list:", b"MODULES=most", b"070701", b"\xff\0", b"UUID=",
    b"\x1f\x8b\x08", b"\\", b"\\777", b"HOOKS=(", b"\xfd7zXZ\0", b"console=", b"root=", b"-1",
)  # fmt: skip


class AnyContentTest(base.BaseTestCase):
    @hypothesis.given(
        hypothesis.strategies.dictionaries(
            hypothesis.strategies.sampled_from(PATHS),
            hypothesis.strategies.lists(
                hypothesis.strategies.sampled_from(WORDS)
                | hypothesis.strategies.binary(max_size=9),
                max_size=30,
            ).map(b"".join),
        )
    )
    def test_nothing_is_too_strange(self, files):
        """Whatever files contain, there are facts, and they can be sent to another process."""
        found = facts(
            debian(**files, **{"/boot/vmlinuz-\udcff\x1b": b"", "/usr/bin/cloud-init": ""}),
            deep=True,
        )
        self.assertEqual(found, _records.decode(SystemFacts, _records.encode(found)))


class MountsTest(base.BaseTestCase):
    def test_fstab(self):
        """Devices and escapes are those of fstab(5); what has no device is left out."""
        found = [(each.device, each.target, each.is_optional) for each in facts(debian()).mounts]
        expected = [
            (f"UUID={UUID}", "/", False),
            ("/dev/xvdb1", "none", False),
            ("/dev/xvdc1", "/mnt/a b", True),
        ]
        self.assertEqual(expected, found)

    def test_places_name_the_volume(self):
        """A file below a mount point is in the volume that is mounted there."""
        files = debian()
        boot = {
            path.removeprefix("/boot"): files.pop(path)
            for path in list(files)
            if path.startswith("/boot")
        }
        boot["/grub/grub.cfg"] = GRUB.replace("/boot/", "/")
        found = facts(files, mounts={"/boot": ("partition 1", boot)})
        self.assertEqual(
            Place("partition 1", f"/boot/vmlinuz-{VERSION}"), found.default_kernel.place
        )
        self.assertEqual(Place("partition 1", "/boot/grub/grub.cfg"), found.roots[0].place)


class BootMenuTest(base.BaseTestCase):
    def default(self, **others):
        found = facts(debian(**others))
        return found.default_kernel.version, [root.device for root in found.roots]

    def test_first_entry(self):
        """The first entry is the default; the roots of others follow it."""
        self.assertEqual((VERSION, [f"UUID={UUID}", "/dev/xvda1"]), self.default())

    def test_default_in_a_submenu(self):
        """Numbers, titles and IDs with '>' lead into a submenu; the saved entry is in grubenv."""
        for name in ("1>0", "gnulinux-advanced-1>gnulinux-old-1"):
            changed = GRUB.replace('default="0"', f'default="{name}"')
            version, roots = self.default(**{"/boot/grub/grub.cfg": changed})
            self.assertEqual("6.1.0-9-cloud-amd64", version)
            self.assertEqual("/dev/xvda1", roots[0])
        saved = GRUB.replace('default="0"', 'default="${saved_entry}"')
        env = "# GRUB Environment Block\nsaved_entry=1>gnulinux-old-1\n#####"
        found = self.default(**{"/boot/grub/grub.cfg": saved, "/boot/grub/grubenv": env})
        self.assertEqual("6.1.0-9-cloud-amd64", found[0])

    def test_entries_in_files(self):
        """The Red Hat family has an entry in each file, with variables of grubenv."""
        grub2 = {
            "/boot/grub/grub.cfg": "",
            "/boot/grub2/grub.cfg": 'set default="${saved_entry}"\ninsmod blscfg\nblscfg\n',
            "/boot/grub2/grubenv": (
                "saved_entry=abc-5.14.0-9\nkernelopts=root=/dev/mapper/rl-root ro\n"
            ),
            "/boot/loader/entries/abc-5.14.0-10.conf": (
                "title Rocky 10\nlinux /vmlinuz-5.14.0-10\noptions root=UUID=1 ro\n"
            ),
            "/boot/loader/entries/abc-5.14.0-9.conf": (
                "title Rocky 9\nlinux /vmlinuz-5.14.0-9\ninitrd /i-9 $tuned_initrd\n"
                "options $kernelopts\n"
            ),
            "/boot/vmlinuz-5.14.0-9": "kernel",
        }
        found = self.default(**grub2)
        self.assertEqual(("5.14.0-9", ["/dev/mapper/rl-root", "UUID=1"]), found)

    def test_grub_legacy(self):
        """menu.lst of old images, in which paths can begin with a device."""
        legacy = (
            "default=1\ntimeout 5\ntitle New\n\troot (hd0,0)\n\tkernel /vmlinuz-3 root=LABEL=x\n"
            f"title Old\n\tkernel (hd0,0)/boot/vmlinuz-{VERSION} ro root=/dev/xvda1\n"
        )
        found = self.default(**{"/boot/grub/grub.cfg": "", "/boot/grub/menu.lst": legacy})
        self.assertEqual((VERSION, ["/dev/xvda1", "LABEL=x"]), found)

    def test_extlinux(self):
        """EXTLINUX with a file that includes another."""
        found = self.default(
            **{
                "/boot/grub/grub.cfg": "",
                "/boot/extlinux/extlinux.conf": "DEFAULT b\nINCLUDE linux.cfg\n",
                "/boot/extlinux/linux.cfg": (
                    "LABEL a\n KERNEL /boot/vmlinuz-6.1.0-9-cloud-amd64\n APPEND root=LABEL=a\n"
                    f"label b\n linux /boot/vmlinuz-{VERSION}\n append initrd=/i root=PARTUUID=b\n"
                ),
            }
        )
        self.assertEqual((VERSION, ["PARTUUID=b", "LABEL=a"]), found)

    def test_systemd_boot(self):
        """systemd-boot starts the entry that loader.conf names by a pattern."""
        found = self.default(
            **{
                "/boot/grub/grub.cfg": "",
                "/boot/efi/loader/loader.conf": "timeout 3\ndefault old*\n",
                "/boot/efi/loader/entries/new.conf": "linux /n\noptions root=LABEL=new\n",
                "/boot/efi/loader/entries/old.conf": (
                    f"linux /boot/vmlinuz-{VERSION}\noptions root=LABEL=old\n"
                ),
            }
        )
        self.assertEqual((VERSION, ["LABEL=old", "LABEL=new"]), found)

    def test_loader_in_a_volume_of_its_own(self):
        """A volume that the system does not mount can have the boot loader."""
        files = debian(**{"/boot/grub/grub.cfg": ""})
        config = f"DEFAULT l\nLABEL l\n KERNEL vmlinuz-{VERSION}\n APPEND root=/dev/vda2\n"
        other = system_files({"/syslinux.cfg": config})
        found = linux(system_files(files), (other,), deep=False)
        self.assertEqual(["/dev/vda2"], [root.device for root in found.roots])

    def test_without_a_menu(self):
        """Without a menu the newest kernel counts, by its number."""
        version, roots = self.default(**{"/boot/grub/grub.cfg": ""})
        self.assertEqual((VERSION, []), (version, roots))

    def test_menus_that_are_damaged(self):
        """Braces without a partner, missing quotation marks and endless nesting do no harm."""
        for text in ("}\n" * 50, "menuentry 'x {\nlinux\n", "submenu x {\n" * 2000, "{\n\x00=\n"):
            self.assertEqual(VERSION, self.default(**{"/boot/grub/grub.cfg": text})[0])


class KernelTest(base.BaseTestCase):
    def states(self, *, deep=False, **others):
        kernel = facts(debian(**others), deep=deep).default_kernel
        return kernel, {driver.name: driver.state for driver in kernel.drivers}

    def test_lists_of_modules(self):
        """Names are compared as the kernel writes them; what no list has is missing."""
        builtin = f"/lib/modules/{VERSION}/modules.builtin"
        kernel, states = self.states(**{builtin: "kernel/drivers/net/virtio_net.ko\n"})
        self.assertEqual(DriverState.MODULE, states["virtio_blk"])
        self.assertEqual(DriverState.MODULE, states["xen_blkfront"])
        self.assertEqual(DriverState.BUILT_IN, states["virtio_net"])
        self.assertEqual(DriverState.MISSING, states["virtio_scsi"])
        self.assertEqual(builtin, kernel.driver("virtio_net").place.path)

    def test_configuration(self):
        """Without lists of modules, the configuration of the kernel tells which drivers it has."""
        path = f"/boot/config-{VERSION}"
        files = {path: "" for path in debian() if "/modules." in path}
        files[path] = "CONFIG_VIRTIO_BLK=m\nCONFIG_VIRTIO_NET=y\n# CONFIG_SCSI_VIRTIO is not set\n"
        kernel, states = self.states(**files)
        self.assertEqual(DriverState.MODULE, states["virtio_blk"])
        self.assertEqual(DriverState.BUILT_IN, states["virtio_net"])
        self.assertEqual(DriverState.MISSING, states["virtio_scsi"])
        self.assertEqual(path, kernel.driver("virtio_blk").place.path)

    def test_no_lists(self):
        """Without lists and configuration, nothing is known of the drivers of a kernel."""
        files = {path: "" for path in debian() if "/modules." in path}
        kernel, states = self.states(**files)
        self.assertEqual({DriverState.UNKNOWN}, set(states.values()))
        self.assertEqual(f"/boot/initrd.img-{VERSION}", kernel.initramfs.path)

    def test_configuration_instead_of_lists(self):
        """Where modules are in the initramfs alone, the kernel's configuration names them."""
        files = {path: "" for path in debian() if "/modules." in path}
        config = (
            "CONFIG_VIRTIO_BLK=m\nCONFIG_XEN_BLKDEV_FRONTEND=y\n# CONFIG_VIRTIO_NET is not set\n"
        )
        initramfs = {f"/boot/initrd.img-{VERSION}": cpio("modules/virtio_blk.ko")}
        files |= {f"/boot/config-{VERSION}": config} | initramfs
        _, states = self.states(**files)
        self.assertEqual(DriverState.MODULE, states["virtio_blk"])
        self.assertEqual(DriverState.BUILT_IN, states["xen_blkfront"])
        self.assertEqual(DriverState.MISSING, states["virtio_net"])
        self.assertEqual(DriverState.INITRAMFS, self.states(deep=True, **files)[1]["virtio_blk"])

    def test_initramfs(self):
        """Compressed archives after one that is not, and what lies between, are read."""
        early = cpio("kernel/x86/microcode/GenuineIntel.bin")
        main = cpio("init", "usr/lib/modules/6/kernel/drivers/block/virtio_blk.ko.xz")
        initramfs = f"/boot/initrd.img-{VERSION}"
        for content in (
            main,
            early + bytes(512) + gzip.compress(main),
            early + gzip.compress(cpio("bin/sh") + bytes(300) + main + bytes(100)),
            early + lzma.compress(main),
            lzma.compress(main, lzma.FORMAT_ALONE) + gzip.compress(early),
        ):
            kernel, states = self.states(deep=True, **{initramfs: content})
            self.assertEqual("", kernel.initramfs_problem)
            self.assertEqual(DriverState.INITRAMFS, states["virtio_blk"])
            self.assertEqual(DriverState.MODULE, states["xen_blkfront"])
            self.assertEqual(initramfs, kernel.driver("virtio_blk").place.path)
            self.assertEqual(
                DriverState.MODULE, self.states(**{initramfs: content})[1]["virtio_blk"]
            )

    def test_initramfs_that_cannot_be_read(self):
        """A compression that Python does not have is named, and damage is no absence."""
        main = gzip.compress(cpio("init"))
        for content, problem in (
            (b"\x28\xb5\x2f\xfd" + bytes(20), "compressed with zstd"),
            (cpio("x") + b"\x02\x21\x4c\x18", "compressed with lz4"),
            (main[:-30], "damaged"),
            (cpio("x")[:-20], "damaged"),
            (b"070701" + b"x" * 200, "damaged"),
            (b"what is this", "format is unknown"),
            (gzip.compress(cpio("squash-root.img")), "squashfs"),
        ):
            kernel, _ = self.states(deep=True, **{f"/boot/initrd.img-{VERSION}": content})
            self.assertIn(problem, kernel.initramfs_problem)

    def test_settings_of_the_initramfs(self):
        """What makes the initramfs says for which hardware; the last setting of dracut counts."""
        none = {"/etc/initramfs-tools/initramfs.conf": ""}
        dracut = "/usr/lib/dracut/dracut.conf.d"
        for files, expected in (
            ({}, (True, "MODULES=most")),
            (none, None),
            ({"/etc/initramfs-tools/conf.d/x": "MODULES=dep"}, (False, "MODULES=dep")),
            (none | {f"{dracut}/01-dist.conf": 'hostonly="yes"\n'}, (False, "hostonly=yes")),
            (
                none
                | {
                    f"{dracut}/01-dist.conf": 'hostonly="yes"\n',
                    "/etc/dracut.conf.d/02-generic-image.conf": 'hostonly="no"\n',
                },
                (True, "hostonly=no"),
            ),
            (
                none | {"/etc/mkinitcpio.conf": "HOOKS=(base autodetect block)\n"},
                (False, "HOOKS=(base autodetect block)"),
            ),
            (
                none | {"/etc/mkinitfs/mkinitfs.conf": 'features="base virtio"\n'},
                (True, 'features="base virtio"'),
            ),
        ):
            found = facts(debian(**files)).initramfs_setting
            self.assertEqual(expected, found and (found.is_generic, found.text))

    def test_version_of_a_kernel_without_one_in_its_name(self):
        """Arch's package or the kernel's own header has the version."""
        header = bytearray(1024)
        header[0x202:0x206] = b"HdrS"
        header[0x20E:0x210] = (0x100).to_bytes(2, "little")
        header[0x300:0x310] = b"6.6.14-0-virt (b"
        for files, version in (
            (
                {"/boot/vmlinuz-linux": "k", "/lib/modules/7.0-arch1/pkgbase": "linux\n"},
                "7.0-arch1",
            ),
            ({"/boot/vmlinuz-virt": bytes(header)}, "6.6.14-0-virt"),
        ):
            self.assertEqual(version, facts(files).kernels[0].version)


class CloudTest(base.BaseTestCase):
    def cloud_init(self, **others):
        files = {
            "/usr/bin/cloud-init": "",
            "/usr/lib/python3/dist-packages/cloudinit/version.py": (
                '__VERSION__ = "22.4.2"\n_PACKAGED_VERSION = "22.4.2-1+deb12u1"\n'
            ),
        }
        return facts(debian(**files, **others)).cloud_init

    def test_version(self):
        """The version is the package's, or that of cloud-init if it was not packaged."""
        self.assertEqual("22.4.2-1+deb12u1", self.cloud_init().version)
        upstream = '__VERSION__ = "19.4"\n_PACKAGED_VERSION = "@@PACKAGED_VERSION@@"\n'
        files = {"/usr/lib/python3/dist-packages/cloudinit/version.py": upstream}
        self.assertEqual(
            "19.4", facts(debian(**files, **{"/usr/bin/cloud-init": ""})).cloud_init.version
        )
        self.assertIsNone(facts(debian()).cloud_init)

    def test_datasources(self):
        """The last file with a list counts, in each of YAML's forms."""
        self.assertIsNone(self.cloud_init().datasources)
        base_file = {"/etc/cloud/cloud.cfg": "users:\n - default\ndatasource_list: [ NoCloud ]\n"}
        self.assertEqual(("NoCloud",), self.cloud_init(**base_file).datasources)
        path = "/etc/cloud/cloud.cfg.d/90_dpkg.cfg"
        for text in (
            "datasource_list: [ ConfigDrive, OpenStack, None ]\n",
            "datasource_list: ['ConfigDrive',\n  OpenStack,  None]\nother: [x]\n",
            "datasource_list:\n- ConfigDrive\n- OpenStack\n- None\nother:\n- x\n",
        ):
            found = self.cloud_init(**base_file, **{path: text})
            self.assertEqual(("ConfigDrive", "OpenStack", "None"), found.datasources)
            self.assertEqual(path, found.datasources_place.path)

    def test_disabled(self):
        """A file can keep cloud-init from running."""
        self.assertFalse(self.cloud_init().is_disabled)
        self.assertTrue(self.cloud_init(**{"/etc/cloud/cloud-init.disabled": ""}).is_disabled)

    def test_agents(self):
        """Agents are found by their programs."""
        found = facts(debian(**{"/usr/sbin/qemu-ga": "", "/usr/sbin/nova-agent": ""}))
        kinds = [agent.kind for agent in found.agents]
        self.assertEqual([AgentKind.NOVA_AGENT, AgentKind.QEMU_GUEST_AGENT], kinds)

    def test_network(self):
        """Settings for one network card, and addresses, are found in each kind of file."""
        for path, text, hardware, address in (
            (
                "/etc/udev/rules.d/70-persistent-net.rules",
                'SUBSYSTEM=="net", ATTR{address}=="bc:76:4e:20:00:01", NAME="eth0"\n',
                True,
                False,
            ),
            ("/etc/udev/rules.d/70-persistent-net.rules", "# ATTR{address}==\n", False, False),
            ("/etc/sysconfig/network-scripts/ifcfg-eth0", 'HWADDR="BC:76"\n', True, False),
            ("/etc/sysconfig/network-scripts/ifcfg-eth0", "IPADDR=10.1.2.3\n", False, True),
            ("/etc/sysconfig/network-scripts/ifcfg-lo", "IPADDR=127.0.0.1\n", False, False),
            (
                "/etc/netplan/01.yaml",
                "e:\n match:\n  macaddress: '0a'\n addresses:\n - 10.0.0.2/24\n",
                True,
                True,
            ),
            ("/etc/netplan/01.yaml", "ethernets:\n  all:\n    dhcp4: true\n", False, False),
            (
                "/etc/network/interfaces",
                "iface lo inet loopback\niface eth0 inet static\n  address 10.0.0.2\n",
                False,
                True,
            ),
            ("/etc/network/interfaces.d/eth0", "hwaddress ether 0a:0b\n", True, False),
            ("/etc/systemd/network/1.network", "[Match]\nMACAddress=0a:0b\n", True, False),
            (
                "/etc/NetworkManager/system-connections/a.nmconnection",
                "mac-address=0A:0B\naddress1=10.0.0.2/24\n",
                True,
                True,
            ),
        ):
            found = facts(debian(**{path: text}))
            seen = bool(found.hardware_bindings), bool(found.addresses)
            self.assertEqual((hardware, address), seen, text)
            for each in (*found.hardware_bindings, *found.addresses):
                self.assertEqual(path, each.place.path)

    def test_network_of_cloud_init(self):
        """What cloud-init has written it writes again; without it, the file stays as it is."""
        files = {"/etc/netplan/50-cloud-init.yaml": "macaddress: 0a:0b\n"}
        self.assertEqual(1, len(facts(debian(**files)).hardware_bindings))
        self.assertEqual(
            (), facts(debian(**files, **{"/usr/bin/cloud-init": ""})).hardware_bindings
        )

    def test_consoles(self):
        """Consoles of the kernel's arguments, and logins of systemd, inittab and Upstart."""
        wants = "/etc/systemd/system/getty.target.wants"
        found = facts(
            debian(
                **{
                    f"{wants}/serial-getty@ttyS1.service": Link("/x"),
                    "/etc/inittab": "#T0:23:respawn:/sbin/getty -L ttyS9\nT:2:r:/sbin/getty hvc0\n",
                    "/etc/init/ttyS0.conf": "",
                }
            )
        )
        devices = [seen.text for seen in found.consoles]
        self.assertEqual(["tty0", "ttyS0", "ttyS1", "hvc0", "ttyS0"], devices)

    def test_identities(self):
        """What copies should not share is named; an empty machine ID is as it should be."""
        self.assertEqual((), facts(debian(**{"/etc/machine-id": ""})).identities)
        found = facts(
            debian(
                **{
                    "/etc/machine-id": "0" * 32 + "\n",
                    "/var/lib/cloud/instance": Link("/var/lib/cloud/instances/x"),
                    "/etc/ssh/ssh_host_rsa_key": "",
                    "/etc/ssh/ssh_host_ed25519_key": "",
                }
            )
        ).identities
        texts = [seen.text for seen in found]
        self.assertEqual(["machine ID", "state of cloud-init", "SSH host key"], texts)
