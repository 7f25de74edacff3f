# SPDX-License-Identifier: Apache-2.0
"""The architecture for which a program was built."""

import struct

# ELF: System V ABI, "Machine Information", and its list of values of e_machine.
_ELF_MACHINES = {
    3: "i686", 8: "mips", 20: "ppc", 21: "ppc64", 22: "s390x", 40: "armv7l", 62: "x86_64",
    183: "aarch64", 243: "riscv64", 258: "loongarch64",
}  # fmt: skip
# Microsoft, "PE Format", "Machine Types".
_PE_MACHINES = {
    0x014C: "i686", 0x01C4: "armv7l", 0x5064: "riscv64", 0x8664: "x86_64", 0xAA64: "aarch64",
}  # fmt: skip
HEAD = 4096
"""How many bytes of a program contain its architecture."""


def elf_architecture(head: bytes) -> str:
    """Return the architecture of an ELF program as `uname -m` names it; empty if unknown."""
    if len(head) < 20 or not head.startswith(b"\x7fELF"):
        return ""
    order = ">" if head[5] == 2 else "<"
    (machine,) = struct.unpack_from(f"{order}H", head, 18)
    if machine == 21 and order == "<":
        return "ppc64le"
    return _ELF_MACHINES.get(machine, "")


def pe_architecture(head: bytes) -> str:
    """Return the architecture of a program for UEFI or Windows; empty if unknown."""
    if len(head) < 0x40 or not head.startswith(b"MZ"):
        return ""
    (offset,) = struct.unpack_from("<I", head, 0x3C)
    if head[offset : offset + 4] != b"PE\0\0" or offset + 6 > len(head):
        return ""
    (machine,) = struct.unpack_from("<H", head, offset + 4)
    return _PE_MACHINES.get(machine, "")
