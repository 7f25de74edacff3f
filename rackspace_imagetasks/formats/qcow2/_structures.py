# SPDX-License-Identifier: Apache-2.0
"""The header of a qcow2 file and the units of the format, after QEMU's docs/interop/qcow2.rst."""

from dataclasses import dataclass

from rackspace_imagetasks.formats._structure import U32, U64, Structure

CLUSTER_BITS = 16  # the default of qemu-img, and what every reader expects
CLUSTER = 1 << CLUSTER_BITS
REFCOUNT_ORDER = 4  # a reference count has 16 bits
ENTRY_SIZE = 8  # of the L1 table, the L2 tables and the refcount table
TABLE_ENTRIES = CLUSTER // ENTRY_SIZE  # of an L2 table
BLOCK_COUNTS = CLUSTER // 2  # of a refcount block
COPIED = 1 << 63  # in entries of the L1 and L2 tables: the cluster has exactly one reference
MAX_SIZE = 1 << 51  # 2 PiB: QEMU opens no larger L1 table (of a disk) or refcount table (of a file)


@dataclass(frozen=True, kw_only=True)
class Header(Structure):
    """The header of version 3, without extensions; a zero after it ends the list of those."""

    COOKIE = b"QFI\xfb"
    SIZE = 104

    version: U32 = 3
    backing_file_offset: U64 = 0
    backing_file_size: U32 = 0
    cluster_bits: U32 = CLUSTER_BITS
    disk_size: U64
    crypt_method: U32 = 0
    l1_entries: U32
    l1_offset: U64
    refcount_table_offset: U64
    refcount_table_clusters: U32
    snapshots: U32 = 0
    snapshots_offset: U64 = 0
    incompatible_features: U64 = 0
    compatible_features: U64 = 0
    autoclear_features: U64 = 0
    refcount_order: U32 = REFCOUNT_ORDER
    header_length: U32 = SIZE
