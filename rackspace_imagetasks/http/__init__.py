# SPDX-License-Identifier: Apache-2.0
"""HTTP requests to OpenStack services: one client and one retry policy for all of them."""
