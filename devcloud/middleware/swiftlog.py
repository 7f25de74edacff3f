# SPDX-License-Identifier: Apache-2.0
"""Swift's `log_custom_handlers`: it logs to syslog alone, this is a file."""

import functools
import logging
from typing import Any


def add_file(  # noqa: PLR0917  # the signature is Swift's
    conf: dict[str, str],
    name: str,
    log_to_console: bool,
    log_route: str,
    fmt: str,
    logger: logging.Logger,
    adapted_logger: Any,
) -> None:
    """Send `logger` to the file that the configuration names, and nowhere else."""
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    logger.addHandler(_handler(conf["devcloud_log_file"]))


@functools.cache
def _handler(path: str) -> logging.Handler:
    handler = logging.FileHandler(path)
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(process)d %(name)s %(levelname)s %(message)s")
    )
    return handler
