# SPDX-License-Identifier: Apache-2.0

import logging
import signal

# A job in the background starts with SIGINT ignored, and so would the programs that it tests.
signal.signal(signal.SIGINT, signal.default_int_handler)

# With a handler there, oslotest adds none; its own prints every debug record of every library.
# OS_LOG_CAPTURE=1 attaches them to the tests instead.
logging.getLogger().addHandler(logging.NullHandler())
