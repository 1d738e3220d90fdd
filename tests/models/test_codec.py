"""Frames between agent and worker: round trips, and garbage that raises only PeerError."""

from __future__ import annotations

import io

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.errors import PeerError
from zoned.core.records import FitJob, FitResult, FittedSeries, Series
from zoned.models import codec
from zoned.models.__main__ import serve

NUMBERS = st.lists(st.floats(allow_nan=False), max_size=5).map(tuple)
SERIES = st.builds(Series, st.text(max_size=5), st.just(3600.0), st.floats(0, 1e9), NUMBERS)
FITTED = st.builds(
    FittedSeries,
    st.text(max_size=5),
    st.floats(0, 1e9),
    st.just(3600.0),
    st.text(max_size=5),
    *(NUMBERS,) * 4,
)


@given(st.lists(SERIES, max_size=4), st.integers(0, 1000), st.integers(1, 200))
def test_jobs_survive(series: list[Series], number: int, steps: int) -> None:
    job = FitJob(job=number, series=tuple(series), steps=steps, budget_s=1.5)
    assert codec.decode_job(codec.encode_job(job)) == job


@given(
    st.lists(FITTED, max_size=4), st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), max_size=3)
)
def test_results_survive(fitted: list[FittedSeries], failures: list[tuple[str, str]]) -> None:
    result = FitResult(fitted=tuple(fitted), failures=tuple(failures), seconds=0.25)
    assert codec.decode_result(codec.encode_result(result)) == result


LEAF = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63),
    st.floats(),
    st.text(max_size=4),
    st.binary(max_size=4),
)
JUNK = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=5))
ALMOST = JUNK.map(lambda junk: ["result", junk, junk, 1.0])


@given(st.one_of(st.binary(max_size=60), st.one_of(JUNK, ALMOST).map(msgpack.packb)))
def test_garbage_is_a_peer_error(payload: bytes) -> None:
    for decode in (codec.decode_job, codec.decode_result):
        try:
            decode(payload)
        except PeerError as problem:
            assert problem.reason.startswith("malformed")


def test_frames_are_bounded() -> None:
    with pytest.raises(PeerError):
        codec.frame(b"x" * (codec.MAX_FRAME_BYTES + 1))
    with pytest.raises(PeerError):
        codec.frame_length(b"\xff\xff\xff\xff")
    assert codec.frame_length(codec.frame(b"abc")[:4]) == 3


def test_the_worker_answers_until_the_end_and_stops_at_nonsense() -> None:
    job = codec.frame(
        codec.encode_job(FitJob(job=1, series=(Series("d", 3600.0, 0.0, (1.0,)),), steps=1, budget_s=1.0))
    )
    sink = io.BytesIO()
    assert serve(io.BytesIO(job + job), sink) == 0
    data = sink.getvalue()
    length = codec.frame_length(data[:4])
    assert codec.decode_result(data[4 : 4 + length]).failures[0][0] == "d" and len(data) == 2 * (4 + length)
    for nonsense in (b"\0", b"\xff\xff\xff\xff", codec.frame(b"hello"), b"\0\0\0\x09abc"):
        assert serve(io.BytesIO(job + nonsense), io.BytesIO()) == 1
