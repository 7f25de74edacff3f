# SPDX-License-Identifier: Apache-2.0
"""The kernel modules in an initramfs.

Linux, Documentation/driver-api/early-userspace/buffer-format.rst: cpio archives, one after the
other, of which each may be compressed.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

_MAGIC = (b"070701", b"070702")
_HEADER = 110  # bytes
_MAX_NAME = 4096
_TRAILER = b"TRAILER!!!"
_MAX_MEMBERS = 100_000
_MAX_SIZE = 1 << 30  # bytes of an archive, uncompressed
_MAX_DICTIONARY = 100 << 20
_PIECE = 256 << 10
_CHUNK = 1 << 20
_UNKNOWN_COMPRESSIONS = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x02\x21\x4c\x18": "lz4",
    b"\x89LZO": "lzop",
}


class UnreadableInitramfs(Exception):
    """The archives are damaged, or compressed in a way that Python does not read."""


def modules_in(content: bytes) -> set[str]:
    """Return the names of the kernel modules in an initramfs, such as `virtio_blk`.

    :raises UnreadableInitramfs: with a clause that says why they are unknown.
    """
    found: set[str] = set()
    try:
        for number, name in enumerate(_names(content)):
            if number >= _MAX_MEMBERS:
                raise UnreadableInitramfs("it has too many files")
            if name.endswith(b"squash-root.img"):
                raise UnreadableInitramfs("its files are in a squashfs file system")
            if module := module_name(name.decode("utf-8", "replace")):
                found.add(module)
    except (EOFError, OSError, ValueError, lzma.LZMAError, zlib.error) as error:
        raise UnreadableInitramfs("it is damaged") from error
    return found


def module_name(path: str) -> str:
    """Return the kernel's name of the module in a file; empty if it is no module."""
    name, separator, _ = path.rpartition("/")[2].partition(".ko")
    return name.replace("-", "_") if separator else ""


def _names(content: bytes) -> Iterator[bytes]:
    """Yield the names of the files in all archives."""
    while content := content.lstrip(b"\0"):
        if content.startswith(_MAGIC):
            stream = _Stream(iter([content]))
            yield from _members(stream)
            content = content[stream.position :]
        else:
            compressed = _Compressed(content)
            stream = _Stream(compressed.chunks())
            while stream.skip_zeros():
                yield from _members(stream)
            content = compressed.rest


def _members(stream: "_Stream") -> Iterator[bytes]:
    """Yield the names of the files in one archive."""
    while True:
        header = stream.take(_HEADER)
        if not header.startswith(_MAGIC):
            raise ValueError(header)
        size, name_size = int(header[54:62], 16), int(header[94:102], 16)
        if not 0 < name_size <= _MAX_NAME:
            raise ValueError(name_size)
        name = stream.take(name_size).rstrip(b"\0")
        stream.skip(-(_HEADER + name_size) % 4)
        if name == _TRAILER:
            return
        yield name
        stream.skip(size + -size % 4)


class _Stream:
    """Bytes in chunks, which are read in order.

    :ivar position: how many have been read.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk = b""
        self._at = 0
        self.position = 0

    def take(self, length: int) -> bytes:
        """Return the next bytes.

        :raises EOFError: if there are not as many.
        """
        taken = self._advance(length)
        while len(taken) < length:
            self._fetch()
            taken += self._advance(length - len(taken))
        return taken

    def skip(self, length: int) -> None:
        """Skip bytes.

        :raises EOFError: if there are not as many.
        """
        while length > 0:
            if self._at == len(self._chunk):
                self._fetch()
            length -= len(self._advance(min(length, _PIECE)))

    def skip_zeros(self) -> bool:
        """Skip zeros, and return whether anything follows them."""
        try:
            while True:
                rest = self._chunk[self._at :]
                self._advance(len(rest) - len(rest.lstrip(b"\0")))
                if self._at < len(self._chunk):
                    return True
                self._fetch()
        except EOFError:
            return False

    def _advance(self, length: int) -> bytes:
        taken = self._chunk[self._at : self._at + length]
        self._at += len(taken)
        self.position += len(taken)
        return taken

    def _fetch(self) -> None:
        """Replace the chunk, of which everything was read."""
        chunk = next(self._chunks, b"")
        if not chunk:
            raise EOFError
        self._chunk, self._at = chunk, 0


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes: ...


class _Gzip:
    """A decompressor of gzip with the interface of the others."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        return not self._inflate.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        return self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)


_DECOMPRESSORS: Mapping[bytes, Callable[[], _Decompressor]] = {
    b"\x1f\x8b": _Gzip,
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ": lambda: lzma.LZMADecompressor(memlimit=_MAX_DICTIONARY),
    b"\x5d\0\0": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_MAX_DICTIONARY),
}


class _Compressed:
    """Archives that are compressed together."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0
        self._decompressor = _decompressor(content)

    def chunks(self) -> Iterator[bytes]:
        """Yield the archives."""
        size = 0
        while not self._decompressor.eof:
            piece = b""
            if self._decompressor.needs_input:
                piece = self._next_piece()
            chunk = self._decompressor.decompress(piece, _CHUNK)
            size += len(chunk)
            if size > _MAX_SIZE:
                raise UnreadableInitramfs("it is too large")
            if chunk:
                yield chunk

    def _next_piece(self) -> bytes:
        piece = self._content[self._at : self._at + _PIECE]
        if not piece:
            raise ValueError("the compressed data end early")
        self._at += len(piece)
        return piece

    @property
    def rest(self) -> bytes:
        """What follows the archives, once all chunks have been read."""
        return self._decompressor.unused_data + self._content[self._at :]


def _decompressor(content: bytes) -> _Decompressor:
    for magic, name in _UNKNOWN_COMPRESSIONS.items():
        if content.startswith(magic):
            raise UnreadableInitramfs(f"it is compressed with {name}")
    for magic, make in _DECOMPRESSORS.items():
        if content.startswith(magic):
            return make()
    raise UnreadableInitramfs("its format is unknown")
