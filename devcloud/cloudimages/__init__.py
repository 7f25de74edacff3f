# SPDX-License-Identifier: Apache-2.0
"""Cloud Images on top of Glance: import and export tasks as the service documents them."""
