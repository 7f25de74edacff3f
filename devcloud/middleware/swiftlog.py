# SPDX-License-Identifier: Apache-2.0
"""A `log_custom_handlers` function for Swift, which has no option to log to a file."""

import functools
import logging
from typing import Any


def add_file(  # noqa: PLR0917  # Swift defines the signature
    conf: dict[str, str],
    name: str,
    log_to_console: bool,
    log_route: str,
    fmt: str,
    logger: logging.Logger,
    adapted_logger: Any,
) -> None:
    """Log only to the file that is set in the configuration."""
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
