# SPDX-License-Identifier: Apache-2.0
"""The jobs: each is planned first (what would be refused is said at once), then run."""
