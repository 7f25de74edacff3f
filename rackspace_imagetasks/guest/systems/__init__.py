# SPDX-License-Identifier: Apache-2.0
"""The operating systems that are recognised by their files."""
