# SPDX-License-Identifier: Apache-2.0
"""Disks with partitions and systems, made by the programs that make them everywhere, without root.

No program can install GRUB without a loop device, so its code in the MBR stands in for it: the
bytes by which GRUB's own installer recognizes it.
"""

import json
import shutil
import struct
import zlib
from pathlib import Path

from tests.unit.formats.vhd.oracles import require, run
from tests.unit.guest.filesystems import extdisks, xfsdisks

MIB = 1 << 20
ROOT_UUID = "6d0b54a0-8f2c-4b4e-9d4a-2f6f3c5b7a11"
VERSION = "6.1.0-18-cloud-amd64"
OS_RELEASE = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n'
GRUB_CONFIG = f"""\
set default="0"
menuentry 'Debian' {{
  linux /boot/vmlinuz-{VERSION} root=UUID={ROOT_UUID} ro console=ttyS0
  initrd /boot/initrd.img-{VERSION}
}}
"""


def debian(**others):
    """Return the files of a Debian server that works on KVM, with some in place of others."""
    modules = f"usr/lib/modules/{VERSION}"
    return {
        "etc/os-release": OS_RELEASE,
        "etc/fstab": f"UUID={ROOT_UUID} / ext4 errors=remount-ro 0 1\n",
        "etc/initramfs-tools/initramfs.conf": "MODULES=most\n",
        "boot/grub/grub.cfg": GRUB_CONFIG,
        f"boot/vmlinuz-{VERSION}": "kernel",
        f"boot/initrd.img-{VERSION}": "initramfs",
        f"{modules}/modules.builtin": "kernel/fs/ext4/ext4.ko\n",
        f"{modules}/modules.dep": (
            "kernel/drivers/block/virtio_blk.ko:\nkernel/drivers/net/virtio_net.ko:\n"
            "kernel/drivers/block/xen-blkfront.ko:\nkernel/drivers/net/xen-netfront.ko:\n"
        ),
        "usr/bin/cloud-init": "#!/usr/bin/python3\n",
        "usr/lib/python3/dist-packages/cloudinit/version.py": '__VERSION__ = "22.4.2"\n',
        "etc/cloud/cloud.cfg.d/90_dpkg.cfg": "datasource_list: [ ConfigDrive, OpenStack ]\n",
        "usr/bin/sh": b"\x7fELF\x02\x01\x01".ljust(18, b"\0") + b"\x3e\0" + bytes(100),
        "usr/sbin/qemu-ga": "",
    } | others


def write_tree(root, files):
    """Write files to a directory, with the links of a system whose /usr is merged."""
    for name, content in files.items():
        path = Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for name in ("bin", "lib", "sbin"):
        Path(root, "usr", name).mkdir(parents=True, exist_ok=True)
        Path(root, name).symlink_to(f"usr/{name}")
    return root


def ext4(image, files, *, size=48 * MIB, uuid=ROOT_UUID):
    """Make an ext4 file system with files, and return its path."""
    tree = write_tree(image.with_suffix(".tree"), files)
    extdisks.make(image, "-U", uuid, files=tree, size=size)
    shutil.rmtree(tree)
    return image


def xfs(image, files, *, uuid=ROOT_UUID):
    """Make an XFS file system with files, and return its path."""
    nested = {"bin": xfsdisks.Link("usr/bin"), "lib": xfsdisks.Link("usr/lib")}
    for name, content in files.items():
        *parents, last = name.split("/")
        place = nested
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = content if isinstance(content, bytes) else content.encode()
    xfsdisks.make(image, nested, "-m", f"uuid={uuid}", size=64 * MIB)
    return image


def fat(image, files, *, size=34 * MIB):
    """Make a FAT32 file system with files, and return its path."""
    require("mkfs.fat", "mcopy")
    empty(image, size)
    run("mkfs.fat", "-F", "32", "-i", "0b8b3b6e", image)
    tree = image.with_suffix(".tree")
    for name, content in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for path in sorted(tree.iterdir()) if files else ():
        run("mcopy", "-s", "-i", image, path, "::/")
    return image


def empty(image, size):
    """Write a sparse file."""
    with image.open("wb") as file:
        file.truncate(size)
    return image


def partitioned(disk, script, contents, *, size=160 * MIB, boot_code=b""):
    """Write a partition table by a script of sfdisk, and the images of partitions by number."""
    require("sfdisk")
    empty(disk, size)
    run("sfdisk", "-q", disk, stdin=script)
    table = json.loads(run("sfdisk", "--json", disk))["partitiontable"]
    sector = table.get("sectorsize", 512)
    with disk.open("r+b") as file:
        file.write(boot_code)
        for number, image in contents.items():
            start = table["partitions"][number - 1]["start"] * sector
            copy(image, file, start)
    return disk


def copy(image, file, start):
    """Copy an image to an offset, without its holes."""
    with image.open("rb") as source:
        for offset in range(0, image.stat().st_size, MIB):
            if any(piece := source.read(MIB)):
                file.seek(start + offset)
                file.write(piece)


def large_sector_gpt(size, sectors):
    """Return a GPT for sectors of 4096 bytes by offsets: sfdisk writes none to a file.

    :param sectors: the first and last one of its partition.
    """
    linux = bytes.fromhex("af3dc60f838472478e793d69d8477de4")
    entry = struct.pack("<16s16sQQQ72s", linux, b"u" * 16, *sectors, 0, b"")
    entries = entry.ljust(128 * 128, b"\0")
    last = size // 4096 - 1
    head = struct.pack(
        "<8sIII4xQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 1, last, 6, last - 5, b"d" * 16, 2,
        128, 128, zlib.crc32(entries),
    )  # fmt: skip
    return {4096: head[:16] + struct.pack("<I", zlib.crc32(head)) + head[20:], 8192: entries}


def grub_code():
    """Return code as the boot.img of GRUB begins, and the message in it."""
    return b"\xeb\x63\x90".ljust(0x180, b"\0") + b"GRUB \0"


def efi_program(machine=0x8664):
    """Return the header of a program for UEFI: MZ, and PE with the machine."""
    return (
        b"MZ".ljust(60, b"\0")
        + b"\x80\0\0\0".ljust(68, b"\0")
        + b"PE\0\0"
        + (machine.to_bytes(2, "little"))
        + bytes(300)
    )
