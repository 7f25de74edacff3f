# SPDX-License-Identifier: Apache-2.0
"""Operating systems, recognized by their files."""
