# SPDX-License-Identifier: Apache-2.0
"""WSGI filters for Swift and Glance."""
