# SPDX-License-Identifier: Apache-2.0

import logging

# Without a handler, oslotest adds one that prints every debug record of every library.
# OS_LOG_CAPTURE=1 attaches the records to the tests instead.
logging.getLogger().addHandler(logging.NullHandler())
