# SPDX-License-Identifier: Apache-2.0
"""The minimum work of a download: receive four ranges, compute the MD5 of each and write them."""

import hashlib
import http.client
import os
import ssl
import sys
import threading
from urllib.parse import urlsplit

_PIECE = 256 << 10
_THREADS = 4


def main(address: str, path: str, size: str, *ca: str) -> None:
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    part = int(size) // _THREADS
    threads = [
        threading.Thread(target=_fetch, args=(address, file, index * part, part, *ca))
        for index in range(_THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _fetch(address: str, file: int, offset: int, length: int, *ca: str) -> None:
    url = urlsplit(address)
    host, port = url.hostname or "", url.port
    if ca:
        context = ssl.create_default_context(cafile=ca[0])
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, context=context
        )
    else:
        connection = http.client.HTTPConnection(host, port)
    connection.request("GET", url.path, headers={"Range": f"bytes={offset}-{offset + length - 1}"})
    response = connection.getresponse()
    md5, buffer = hashlib.md5(usedforsecurity=False), memoryview(bytearray(_PIECE))
    while got := response.readinto(buffer):
        md5.update(buffer[:got])
        os.pwrite(file, buffer[:got], offset)
        offset += got


if __name__ == "__main__":
    main(*sys.argv[1:])
