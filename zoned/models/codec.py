"""What agent and worker say to each other over two pipes: length-prefixed msgpack.

A frame is four bytes of length, big-endian, and that many bytes of msgpack: an array whose first item
names what it is. Both ends are the same installation, so there are no versions; but a frame is bounded and
checked all the same, because a worker that printed something by mistake must not hang the agent.
"""

from __future__ import annotations

import struct
from typing import Any

import msgpack

from zoned.core.errors import PeerError
from zoned.core.records import FitJob, FitResult, FittedSeries, Series

MAX_FRAME_BYTES = 16 << 20
HEADER = struct.Struct(">I")


def frame(payload: bytes) -> bytes:
    """The payload with its length before it; PeerError when it is too large."""
    if len(payload) > MAX_FRAME_BYTES:
        raise PeerError("frame_too_large", f"{len(payload)} bytes")
    return HEADER.pack(len(payload)) + payload


def frame_length(header: bytes) -> int:
    """The length that a header announces; PeerError when no frame is that long."""
    (length,) = HEADER.unpack(header)
    if length > MAX_FRAME_BYTES:
        raise PeerError("frame_too_large", f"{length} bytes")
    return int(length)


def encode_job(job: FitJob) -> bytes:
    """A job, as the payload of a frame."""
    series = [[one.dependency, one.step_s, one.end_s, list(one.values)] for one in job.series]
    return _pack(["job", job.job, series, job.steps, job.budget_s])


def decode_job(payload: bytes) -> FitJob:
    """A job from a payload; PeerError when it is none."""
    try:
        kind, number, series, steps, budget_s = _unpack(payload)
        if kind != "job":
            raise ValueError(kind)
        return FitJob(
            job=int(number),
            series=tuple(
                Series(str(name), float(step_s), float(end_s), _floats(values))
                for name, step_s, end_s, values in series
            ),
            steps=int(steps),
            budget_s=float(budget_s),
        )
    except (ValueError, TypeError, OverflowError) as problem:
        raise PeerError("malformed_job", repr(problem)) from problem


def encode_result(result: FitResult) -> bytes:
    """A result, as the payload of a frame."""
    fitted = [
        [
            one.dependency,
            one.end_s,
            one.step_s,
            one.model,
            *map(list, (one.mean, one.low, one.median, one.high)),
        ]
        for one in result.fitted
    ]
    return _pack(["result", fitted, [list(failure) for failure in result.failures], result.seconds])


def decode_result(payload: bytes) -> FitResult:
    """A result from a payload; PeerError when it is none."""
    try:
        kind, fitted, failures, seconds = _unpack(payload)
        if kind != "result":
            raise ValueError(kind)
        return FitResult(
            fitted=tuple(
                FittedSeries(
                    str(name), float(end_s), float(step_s), str(model), *(_floats(path) for path in paths)
                )
                for name, end_s, step_s, model, *paths in fitted
            ),
            failures=tuple((str(name), str(reason)) for name, reason in failures),
            seconds=float(seconds),
        )
    except (ValueError, TypeError, OverflowError) as problem:
        raise PeerError("malformed_result", repr(problem)) from problem


def _pack(message: list[Any]) -> bytes:
    packed: bytes = msgpack.packb(message)
    return packed


def _unpack(payload: bytes) -> list[Any]:
    try:
        message = msgpack.unpackb(payload)
    except (ValueError, msgpack.UnpackException) as problem:
        raise ValueError("not msgpack") from problem
    if not isinstance(message, list):
        raise ValueError("not an array")
    return message


def _floats(values: list[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
