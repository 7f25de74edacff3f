# SPDX-License-Identifier: Apache-2.0
"""The method and path of a request, from its WSGI environment."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def method(environ: "WSGIEnvironment") -> str:
    return str(environ["REQUEST_METHOD"])


def path(environ: "WSGIEnvironment") -> str:
    """Return the decoded path: PEP 3333 stores its bytes in a Latin-1 string."""
    whole = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return str(whole).encode("latin-1").decode("utf-8", "replace")
