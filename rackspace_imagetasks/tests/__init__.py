# SPDX-License-Identifier: Apache-2.0

import signal

# A job in the background starts with SIGINT ignored, and so would the programs that it tests.
signal.signal(signal.SIGINT, signal.default_int_handler)
