# SPDX-License-Identifier: Apache-2.0
"""Run code that parses an untrusted disk in a helper process that can only read this disk."""
