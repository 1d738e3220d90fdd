"""LZW as Go's compress/lzw writes it: least significant bit first, literal width 8.

memberlist compresses with it, so a peer must read it; zlib and lzma cannot. Codes start 9 bits wide and
grow when the next free code needs another bit, up to 12; 256 clears the table, 257 ends the stream. There
is no early change as in TIFF. The decoder learns each entry one code later than the encoder, so the
encoder's table must be mirrored with that lag, and a code may name the entry that is just being built.

Output is bounded: a few hundred bytes of LZW can ask for megabytes. So is the table: its entries together are
no longer than the output, and a clear code costs nothing when there is nothing to clear.

Rejected: numpy (codes depend on one another) and a C extension (one more thing to build, for a codec that our
own agents never need to write).
"""

from __future__ import annotations

from zoned.core.errors import PeerError

_CLEAR = 256
_END = 257
_FIRST = 258
_TABLE = 4096
_BYTES = [bytes((i,)) for i in range(256)]


def compress(data: bytes) -> bytes:
    """The LZW stream of ``data``, at some MB/s."""
    out = bytearray()
    bits, filled = _CLEAR, 9  # a stream starts with a clear code, as Go's does
    table: dict[int, int] = {}  # code of a prefix << 8 | next byte -> code
    width, free = 9, _END  # free: the highest code the decoder knows of once it has read the next one
    code = -1
    for value in (*data, -1):  # -1: the end, which nothing continues
        if code < 0:
            code = value
            continue
        key = code << 8 | value
        longer = table.get(key)
        if longer is not None and value >= 0:
            code = longer
            continue
        bits |= code << filled
        filled += width
        free += 1
        if free == 1 << width and width < 12:
            width += 1
        if free == _TABLE - 1:
            bits |= _CLEAR << filled
            filled += width
            table = {}
            width, free = 9, _END
        elif value >= 0:
            table[key] = free
        code = value
        while filled >= 8:
            out.append(bits & 0xFF)
            bits >>= 8
            filled -= 8
    bits |= _END << filled
    filled += width
    out += bits.to_bytes((filled + 7) // 8, "little")
    return bytes(out)


def decompress(data: bytes, limit: int) -> bytes:
    """What ``data`` stands for; PeerError when it is damaged or longer than ``limit`` bytes."""
    table = [*_BYTES, b"", b""]
    out = bytearray()
    bits = filled = 0
    width = 9
    last = b""
    for value in data:
        bits |= value << filled
        filled += 8
        if filled < width:
            continue
        code = bits & ((1 << width) - 1)
        bits >>= width
        filled -= width
        if code < _CLEAR or _FIRST <= code < len(table):
            entry = table[code]
        elif code == _CLEAR:
            del table[_FIRST:]
            width, last = 9, b""
            continue
        elif code == _END:
            del table
            return bytes(out)
        elif code == len(table) and last:
            entry = last + last[:1]
        else:
            raise PeerError("lzw", f"code {code} of {len(table)}")
        out += entry
        if len(out) > limit:
            raise PeerError("lzw_limit", f"more than {limit} bytes")
        if last and len(table) < _TABLE:
            table.append(last + entry[:1])
        if len(table) + 1 > 1 << width and width < 12:
            width += 1
        last = entry
    raise PeerError("lzw", "no end code")
