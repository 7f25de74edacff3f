# SPDX-License-Identifier: Apache-2.0
"""File systems that are read from a byte source, without their operating system."""
