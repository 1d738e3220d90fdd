"""What survives a restart: one file in the data directory, replaced as a whole.

The file is ``magic, format, length, checksum, msgpack``. It is written beside the old one, synced, and
renamed over it, and then the directory is synced: at every instant the name stands for one whole state, the
old or the new (see tests/daemon/test_state.py, which stops after each step). A file that cannot be read back
is set aside as ``state.corrupt-<unix time>`` and the agent starts afresh: a cache that lost its memory is a
cold cache, but one that refuses to start is an outage.

The node's ``export_state`` runs on the loop and is the snapshot; packing, writing and syncing (a slow disk
syncs for seconds) run in a thread. A lock file keeps a second agent out of the same directory. Rejected:
SQLite and journals; nothing here is worth more than its last 30 seconds.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
from pathlib import Path
from typing import Any

import msgpack
import xxhash

from zoned.core.errors import StateError, ZonedError

MAGIC = b"ZONEDST\n"
FORMAT = 1
MAX_BYTES = 256 << 20
_HEAD = struct.Struct(">8sHQ16s")


class DataDirError(ZonedError):
    """The data directory cannot be used; the text is one line for the operator."""


def encode(state: dict[str, Any]) -> bytes:
    """The whole file."""
    body: bytes = msgpack.packb(state, use_bin_type=True)
    return _HEAD.pack(MAGIC, FORMAT, len(body), xxhash.xxh3_128_digest(body)) + body


def decode(data: bytes) -> dict[str, Any]:
    """The state of a file. Raises StateError, and nothing else, on whatever is not one."""
    if len(data) < _HEAD.size:
        raise StateError(f"too short: {len(data)} bytes")
    magic, form, length, digest = _HEAD.unpack_from(data)
    body = data[_HEAD.size :]
    if magic != MAGIC:
        raise StateError("not a state file")
    if form != FORMAT:
        raise StateError(f"format {form}, this version reads {FORMAT}")
    if len(body) != length or xxhash.xxh3_128_digest(body) != digest:
        raise StateError(f"damaged: {len(body)} of {length} bytes, or a wrong checksum")
    try:
        state = msgpack.unpackb(body, raw=False, strict_map_key=False)
    except (ValueError, msgpack.UnpackException) as error:
        raise StateError(f"not msgpack: {error}") from error
    if not isinstance(state, dict):
        raise StateError(f"holds a {type(state).__name__}")
    return state


def write_atomically(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data``: after a crash at any step it is wholly the old file or wholly the new."""
    temporary = path.with_name(path.name + ".new")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(temporary, path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


class StateFile:
    """The data directory of one agent: its lock, and its state file."""

    def __init__(self, directory: Path) -> None:
        """Create and lock the directory. Raises DataDirError when another agent or the system forbids it."""
        self.path = directory / "state"
        self._saving = asyncio.Lock()
        self.saved_bytes = 0
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o750)
            self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DataDirError(f"cannot use data directory {directory}: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise DataDirError(f"data directory {directory} is in use by another agent") from error

    def load(self) -> dict[str, Any] | None:
        """The saved state, None if there is none. Raises StateError if there is one that cannot be read back
        (the caller then calls ``set_aside``), DataDirError if the system will not let us read it."""
        try:
            if self.path.stat().st_size > MAX_BYTES:
                raise StateError(f"larger than {MAX_BYTES} bytes")
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataDirError(f"cannot read {self.path}: {error.strerror}") from error
        return decode(data)

    def set_aside(self, wall_s: float) -> Path:
        """Rename an unreadable file so that it can be looked at; its new path."""
        aside = self.path.with_name(f"state.corrupt-{int(wall_s)}")
        try:
            os.rename(self.path, aside)
        except OSError as error:
            raise DataDirError(f"cannot set {self.path} aside: {error.strerror}") from error
        return aside

    async def save(self, state: dict[str, Any]) -> None:
        """Write ``state``, in a thread. Raises OSError; the old file is then still whole."""
        async with self._saving:  # two writers would share one temporary file
            self.saved_bytes = await asyncio.to_thread(self._write, state)

    def _write(self, state: dict[str, Any]) -> int:
        data = encode(state)
        write_atomically(self.path, data)
        return len(data)

    def close(self) -> None:
        """Give the directory up."""
        os.close(self._lock)
