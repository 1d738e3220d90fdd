"""What values may be, and that each is written back in a form that is read as the same again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.config import addresses, kinds, units
from zoned.config.kinds import Kind, Wrong


def reads(kind: Kind, value: object) -> Any:
    return kind.parse(value)


def refuses(kind: Kind, *values: object) -> None:
    for value in values:
        with pytest.raises(Wrong):
            kind.parse(value)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("30s", 30),
        ("1m", 60),
        ("1h", 3600),
        ("500ms", 0.5),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("2d", 172800),
        (0, 0),
    ],
)
def test_durations(written: object, seconds: float) -> None:
    assert reads(units.duration(), written) == pytest.approx(seconds)


def test_durations_need_a_unit_and_a_sense() -> None:
    refuses(units.duration(), 30, 1.5, "30", "fast", "", "-1s", "1s2", True, None, ["1s"], "s")
    refuses(units.duration(0.0, above=True), 0, "0s")
    refuses(units.duration(1.0, 60.0), "61s", "999ms")
    assert units.duration(1.0, 60.0).expects == "a duration from 1s to 1m"
    assert units.duration(0.0, above=True).expects == "a duration > 0"


@given(st.integers(0, 10**9))
def test_a_duration_written_back_is_the_same(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert units.seconds_of(units.duration_text(seconds)) == pytest.approx(seconds, rel=1e-9)


@pytest.mark.parametrize(
    ("written", "size"),
    [("64MiB", 64 << 20), ("10MB", 10**7), ("1.5KiB", 1536), ("7 B", 7), ("2GiB", 2 << 30)],
)
def test_sizes(written: str, size: int) -> None:
    assert reads(units.size(), written) == size


def test_sizes_need_a_unit() -> None:
    refuses(units.size(), 64, "64", "64M", "64mib", "", "0B", "MiB", -1)


@given(st.integers(1, 1 << 50))
def test_a_size_written_back_is_the_same(size: int) -> None:
    assert units.bytes_of(units.size_text(size)) == size


def test_rates() -> None:
    assert reads(units.rate("B", "10MiB/s"), "10MiB/s") == 10 << 20
    assert reads(units.rate("fetches", "50/s"), "30/m") == 0.5
    refuses(units.rate("B", "10MiB/s"), "10MiB", "0B/s", "10/s", 5)
    refuses(units.rate("fetches", "50/s"), "50", "x/s", "0/s", "nan/s", "50/y")


def test_numbers_are_not_truth_values() -> None:
    refuses(kinds.integer(), True, 1.0, "1")
    refuses(kinds.number(0.0, 0.1), True, 0.2, "x", float("nan"))
    refuses(kinds.boolean(), 1, "true")
    assert kinds.boolean().parse(kinds.boolean().from_text("Yes")) is True
    assert kinds.integer().parse(kinds.integer().from_text("1_000")) == 1000


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("127.0.0.1", ("127.0.0.1", 7946)),
        ("localhost:1", ("127.0.0.1", 1)),
        ("[::1]:80", ("::1", 80)),
        ("[::1]", ("::1", 7946)),
        ("::1", ("::1", 7946)),
    ],
)
def test_addresses(written: str, address: tuple[str, int]) -> None:
    assert reads(addresses.ip_address(7946), written) == address


def test_addresses_to_bind_are_literals() -> None:
    refuses(
        addresses.ip_address(7946),
        "zone-a:80",
        "1.2.3.4:0",
        "1.2.3.4:70000",
        "1.2.3.4:",
        ":80",
        "1.2.3.4.5",
        1,
    )
    assert reads(addresses.host_port(7946), "zone-a.example") == ("zone-a.example", 7946)
    assert addresses.address_text(("::1", 80)) == "[::1]:80"


@pytest.mark.parametrize(
    "url",
    ["https://x/{key}", "http://x:8080/a/b?c={key}&d=1", "https://[::1]:8443/{key}", "http://x/{key}.json"],
)
def test_origins(url: str) -> None:
    assert reads(addresses.origin(), url) == url


@pytest.mark.parametrize(
    "url",
    [
        "https://x/",  # no key
        "https://{key}/a",  # the key would choose the host
        "https://x{key}/",
        "https://{key}",
        "https://u:p@x/{key}",  # a password in a place that is printed
        "ftp://x/{key}",
        "https://x/{key}/{key}",
        "https://x/{id}/{key}",
        "https://x/{key}#a",
        "/{key}",
    ],
)
def test_origins_refused(url: str) -> None:
    refuses(addresses.origin(), url)


def test_lists_and_tables() -> None:
    names = kinds.items(kinds.name("a"), "names")
    assert reads(names, ["a", "b"]) == ("a", "b")
    assert names.from_text("a, b,") == ["a", "b"]
    refuses(names, "a", ["a", 1])
    assert reads(kinds.headers(), {"X-A": "1"}) == (("X-A", "1"),)
    refuses(kinds.headers(), {"X A": "1"}, {"X": 1}, {"X": "a\r\nY: b"}, [])


def test_a_header_is_never_written_back() -> None:
    assert "secret" not in kinds.headers().render((("Authorization", "secret"),))


def test_moments_have_an_offset() -> None:
    assert reads(units.moment(), "1970-01-01T00:01:00Z") == 60.0
    assert reads(units.moment(), 60) == 60.0
    refuses(units.moment(), "1970-01-01T00:01:00", "tomorrow", True)


def test_names() -> None:
    refuses(kinds.name("a"), "", "a b", "-a", "a/b", "a" * 129, "ä", 1)
    refuses(kinds.dependency_name(), "", "a:b", "a/b", "a b", "a,b")
    assert reads(kinds.dependency_name(), "catalog@db") == "catalog@db"


def test_a_kind_or_auto() -> None:
    kind = kinds.or_auto(kinds.integer(0, 64))
    assert kind.expects == '"auto" or a whole number from 0 to 64'
    assert reads(kind, "auto") is None and reads(kind, kind.from_text("auto")) is None
    assert reads(kind, kind.from_text("8")) == 8
    assert (kind.render(None), kind.render(8)) == ('"auto"', "8")
    refuses(kind, "Auto", 65, -1, None, True)
