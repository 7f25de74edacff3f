# SPDX-License-Identifier: Apache-2.0
from devcloud.cli import main

main()
