"""The worker: reads jobs from standard input, fits them, writes results to standard output, until its end.

One process, one job at a time, at low priority. Frames have the output to themselves: whatever a library
prints goes to standard error. When the agent dies, the input ends and so does the worker.
"""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

from zoned.core.errors import PeerError
from zoned.models.codec import HEADER, decode_job, encode_result, frame, frame_length
from zoned.models.fit import fit

_NICENESS = 10


def serve(source: BinaryIO, sink: BinaryIO) -> int:
    """Answer jobs until the source ends (0) or says nonsense (1)."""
    while header := source.read(HEADER.size):
        try:
            if len(header) < HEADER.size:
                return 1
            payload = source.read(frame_length(header))
            job = decode_job(payload)
        except PeerError as problem:
            sys.stderr.write(f"zoned.models: {problem}\n")
            return 1
        sink.write(frame(encode_result(fit(job))))
        sink.flush()
    return 0


def main() -> int:
    """Keep the pipe for frames, give everybody else standard error, and serve."""
    os.nice(_NICENESS)
    frames = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        return serve(sys.stdin.buffer, frames)
    except (BrokenPipeError, KeyboardInterrupt):
        return 0


if __name__ == "__main__":
    sys.exit(main())
