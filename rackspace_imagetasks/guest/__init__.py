# SPDX-License-Identifier: Apache-2.0
"""What is inside a disk: volumes, file systems, the operating system, and whether it will boot.

Everything here is read-only, reads little, and trusts nothing that it reads.
"""
