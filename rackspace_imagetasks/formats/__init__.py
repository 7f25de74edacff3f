# SPDX-License-Identifier: Apache-2.0
"""Disk image formats, read and written as byte sources."""
