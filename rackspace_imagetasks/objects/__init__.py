# SPDX-License-Identifier: Apache-2.0
"""Swift: plan segments, upload, download, copy and delete large objects."""
