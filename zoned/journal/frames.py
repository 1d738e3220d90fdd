"""The file: a magic, then frames ``length, checksum, zlib(msgpack [node, life, kind, content])``.

A frame stands for itself, so journals of several agents are merged by putting their frames behind one
another, an agent that starts again appends to its own file, and one that is killed leaves at most a half
frame, which readers count and the next start cuts off. Rejected: gzip (nothing can be appended after a torn
end) and SQLite (a disk that refuses must not hold up anybody).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgpack
import xxhash

from zoned.core.errors import ZonedError

MAGIC = b"ZONEDJ1\n"
_HEAD = struct.Struct(">I8s")
MAX_FRAME_BYTES = 64 << 20
"""Packed; the largest is the state that an agent began with."""
MAX_CONTENT_BYTES = 512 << 20
"""Unpacked: a small frame cannot fill the memory of who reads it."""


class JournalError(ZonedError):
    """A journal that cannot be read: the file, what is wrong with it, and what to do."""


class Frame(NamedTuple):
    """One frame. ``life`` tells the starts of one agent apart: its beginning, Unix milliseconds."""

    node: str
    life: int
    kind: str  # begin | rows | end
    content: dict[str, Any]


class Torn:
    """What was left over at the ends of files that were read: bytes that are no whole frame."""

    def __init__(self) -> None:
        self.bytes = 0


def encode(frame: Frame) -> bytes:
    """One frame as it stands in the file. Raises ValueError if it is larger than any may be."""
    body = zlib.compress(msgpack.packb(list(frame), use_bin_type=True), 1)
    if len(body) > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {len(body)} bytes")
    return _HEAD.pack(len(body), xxhash.xxh3_64_digest(body)) + body


def is_journal(path: Path) -> bool:
    """Whether the file begins as a journal does, whatever its name. A file that cannot be read is none."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def bodies(file: BinaryIO, torn: Torn) -> Iterator[tuple[int, bytes]]:
    """(where it ends, body) of each whole frame after the magic, up to the first that is torn."""
    position = file.tell()
    while head := file.read(_HEAD.size):
        size, digest = _HEAD.unpack(head) if len(head) == _HEAD.size else (MAX_FRAME_BYTES + 1, b"")
        body = file.read(size) if size <= MAX_FRAME_BYTES else b""
        if size > MAX_FRAME_BYTES or len(body) < size or xxhash.xxh3_64_digest(body) != digest:
            torn.bytes += len(head) + len(body) + sum(map(len, iter(lambda: file.read(1 << 20), b"")))
            return
        position += len(head) + size
        yield position, body


def open_checked(path: Path) -> BinaryIO:
    """The file, open behind its magic. Raises JournalError."""
    try:
        file = path.open("rb")
        magic = file.read(len(MAGIC))
    except OSError as error:
        raise JournalError(f"{path}: cannot be read: {error.strerror or error}") from error
    if magic != MAGIC:
        file.close()
        form = magic[:5] == MAGIC[:5]
        what = "a journal of another version of zoned; use that version" if form else "not a journal of zoned"
        raise JournalError(f"{path}: {what} (expected it to begin with {MAGIC!r}, got {magic!r})")
    return file


def read_frames(path: Path, torn: Torn) -> Iterator[Frame]:
    """The frames of a journal, in its order. Raises JournalError; a torn end is counted, and is the end."""
    with open_checked(path) as file:
        for end, body in bodies(file, torn):
            yield _decode(body, f"{path}, the frame that ends at byte {end}")


def _decode(body: bytes, where: str) -> Frame:
    inflate = zlib.decompressobj()
    try:
        content = inflate.decompress(body, MAX_CONTENT_BYTES)
        node, life, kind, told = msgpack.unpackb(content, raw=False, strict_map_key=False)
    except (zlib.error, ValueError, TypeError, msgpack.UnpackException) as error:
        raise JournalError(f"{where}: means nothing ({error}); leave this file out") from error
    if not (isinstance(node, str) and type(life) is int and isinstance(kind, str) and isinstance(told, dict)):
        raise JournalError(f"{where}: is no frame of an agent; leave this file out")
    return Frame(node, life, kind, told)


def whole_length(path: Path) -> int:
    """How much of a journal is whole frames, in bytes; 0 if there is no such file, or nothing in it.

    Raises JournalError if it is something else: an agent does not write into a file that is not its own."""
    if not path.exists() or path.stat().st_size == 0:
        return 0
    with open_checked(path) as file:
        return max((end for end, _ in bodies(file, Torn())), default=len(MAGIC))


def merge(paths: Iterable[Path], out: Path) -> int:
    """Put the whole frames of these journals into one; the bytes written. Raises JournalError, OSError."""
    with out.open("wb") as target:
        written = target.write(MAGIC)
        for path in paths:
            with open_checked(path) as file:
                for _, body in bodies(file, Torn()):
                    written += target.write(_HEAD.pack(len(body), xxhash.xxh3_64_digest(body)) + body)
    return written
