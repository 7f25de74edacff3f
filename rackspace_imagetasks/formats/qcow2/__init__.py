# SPDX-License-Identifier: Apache-2.0
"""qcow2, the disk image format of QEMU and of most KVM clouds: written, not read."""
