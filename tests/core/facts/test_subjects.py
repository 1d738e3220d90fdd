"""Subjects of invalidations: any key there and back, whatever anybody wrote."""

from __future__ import annotations

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.facts import FactsSettings, parse_subject, subject_of
from zoned.core.names import MAX_KEY_BYTES, InstanceKey


@given(st.binary(max_size=64))
def test_every_key_comes_back_and_travels(key: bytes) -> None:
    subject = msgpack.unpackb(msgpack.packb(subject_of("prices", key)))
    assert subject.isascii()
    assert parse_subject(subject) == ("prices", InstanceKey("prices", key))


def test_a_whole_dependency_is_not_an_empty_key() -> None:
    assert parse_subject(subject_of("prices", None)) == ("prices", None)
    assert parse_subject(subject_of("prices", b"")) == ("prices", InstanceKey("prices", b""))


def test_what_people_type_stays_readable() -> None:
    assert subject_of("web", b"/a/b?c=d:e") == "web:/a/b?c=d:e"
    assert subject_of("web", b"50% \xff") == "web:50%25%20%FF"


@given(st.text(max_size=32))
def test_what_others_wrote_is_taken_as_it_is(text: str) -> None:
    dependency, instance = parse_subject("web:" + text)
    assert dependency == "web"
    assert instance is not None and isinstance(instance.key, bytes)


def test_the_longest_key_fits_into_a_fact() -> None:
    assert len(subject_of("d" * 255, b"\xff" * MAX_KEY_BYTES)) <= FactsSettings().max_subject_bytes
