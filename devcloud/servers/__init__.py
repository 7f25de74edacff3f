# SPDX-License-Identifier: Apache-2.0
"""The programs of the cloud, each of which runs in processes of its own."""
