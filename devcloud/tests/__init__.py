# SPDX-License-Identifier: Apache-2.0

import logging

# With a handler there, oslotest adds none; its own prints every debug record of every library.
# OS_LOG_CAPTURE=1 attaches them to the tests instead.
logging.getLogger().addHandler(logging.NullHandler())
