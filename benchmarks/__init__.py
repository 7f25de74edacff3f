# SPDX-License-Identifier: Apache-2.0
"""Compare the package with other programs in one run: `python -m benchmarks [name ...]`."""
