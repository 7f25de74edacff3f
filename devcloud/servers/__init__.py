# SPDX-License-Identifier: Apache-2.0
"""The programs of the cloud, each as it runs in a process of its own."""
