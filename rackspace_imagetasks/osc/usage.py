# SPDX-License-Identifier: Apache-2.0
"""Errors in how a command is used, which its own parser does not find."""

from rackspace_imagetasks.exceptions import ImageTasksError

EXIT_STATUS = 2  # as argparse exits


class UsageError(ImageTasksError):
    """Arguments that cannot be combined, or that say too little; nothing was sent.

    The rule: what the command line alone shows to be wrong is a usage error. What a cloud, its
    settings, or the content of a file shows is an error of the work.
    """
