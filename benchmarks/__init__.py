# SPDX-License-Identifier: Apache-2.0
"""The package beside its peers, in one run: `python -m benchmarks [name ...]`."""
