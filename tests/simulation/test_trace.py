"""Reading traces: columns, stems, zones, dependencies, and errors that name file and line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.names import InstanceKey
from zoned.simulation.trace import TraceError, read, stem_of

DATA = Path(__file__).resolve().parent.parent / "data"
HEADER = "ts,zone,object,size,req\n"


def written(folder: Path, text: str | bytes, name: str = "catalog-db.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_columns(tmp_path: Path) -> None:
    text = HEADER + "10,eu,/a,5,c1\n11,us,/b,7,\n11,eu,/a,9,c1\n"
    trace = read([written(tmp_path, text)])
    assert (trace.ts, trace.zones, trace.objects) == ([10.0, 11.0, 11.0], [0, 1, 0], [0, 1, 0])
    assert (trace.sizes, trace.clients) == ([5, 7, 9], [b"c1", b"", b"c1"])
    assert trace.zone_names == ("eu", "us")
    assert trace.instances == (InstanceKey("catalog-db", b"/a"), InstanceKey("catalog-db", b"/b"))
    assert trace.object_sizes == [9, 7]
    assert trace.dependencies == ("catalog-db",)
    assert len(trace) == 3 and trace.warm_from(0.5) == 1
    assert trace.windows(1.0) == [0, 1, 1]


def test_gzip_plain_and_headerless_are_the_same(tmp_path: Path) -> None:
    rows = "10,eu,/a,5,c1\n11,us,/b,7,\n"
    traces = [
        read([written(tmp_path, HEADER + rows, "t.csv")]),
        read([written(tmp_path, rows, "t.csv")]),
        read([written(tmp_path, gzip.compress((HEADER + rows).encode()), "t.csv.gz")]),
        read([written(tmp_path, "req,size,object,zone,ts\nc1,5,/a,eu,10\n,7,/b,us,11\n", "t.csv")]),
    ]
    for trace in traces[1:]:
        assert (trace.ts, trace.clients, trace.sizes) == (traces[0].ts, traces[0].clients, traces[0].sizes)
        assert (trace.instances, trace.zone_names) == (traces[0].instances, traces[0].zone_names)


def test_time_never_goes_back_and_equal_times_keep_their_order(tmp_path: Path) -> None:
    trace = read([written(tmp_path, HEADER + "12,z,c,1,\n10,z,a,1,\n12,z,d,1,\n11,z,b,1,\n")])
    assert trace.ts == [10.0, 11.0, 12.0, 12.0]
    assert [trace.instances[index].key for index in trace.objects] == [b"a", b"b", b"c", b"d"]


def test_several_files_are_zones_of_one_dependency(tmp_path: Path) -> None:
    east = written(tmp_path, "ts,object\n1,/a\n3,/b\n", "east.csv")
    west = written(tmp_path, "ts,object\n2,/b\n", "west.csv")
    trace = read([east, west])
    assert [trace.zone_names[zone] for zone in trace.zones] == ["east", "west", "east"]
    assert trace.dependencies == ("default",)
    assert trace.sizes == [1, 1, 1]


def test_several_files_with_zones_are_dependencies(tmp_path: Path) -> None:
    first = written(tmp_path, HEADER + "1,eu,/a,1,\n", "prices.csv")
    second = written(tmp_path, HEADER + "2,eu,/a,1,\n", "users.csv")
    trace = read([first, second])
    assert trace.zone_names == ("eu",)
    assert trace.dependencies == ("prices", "users") and len(trace.instances) == 2


def test_dep_prefix(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + "1,eu,prices:/v1/a:b,1,\n2,eu,users:7,1,\n")
    trace = read([path], dep_prefix=True)
    assert trace.instances == (InstanceKey("prices", b"/v1/a:b"), InstanceKey("users", b"7"))


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("retail.csv.gz", "retail"),
        ("access.log", "access"),
        ("access.log.1", "access"),
        ("access.log-20261122.gz", "access"),
        ("web.1.log", "web.1"),
        ("api.example.com.log.gz", "api.example.com"),
        ("eu west:1.jsonl", "eu_west_1"),
        (".csv", ".csv"),
    ],
)
def test_stems(name: str, stem: str) -> None:
    assert stem_of(Path("logs") / name) == stem


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("x,zone,object,size,req\n", 1, "ts: expected Unix seconds, got 'x'"),
        ("ts,zone,object,bytes,req\n", 1, "expected the columns ts,zone,object,size,req"),
        ("a,b\n", 1, "--format"),
        (HEADER + "10,eu,/a,5,c\nsoon,eu,/a,5,c\n", 3, "ts: expected Unix seconds, got 'soon'"),
        (HEADER + "nan,eu,/a,5,c\n", 2, "ts: expected Unix seconds"),
        (HEADER + "10,eu,/a,-5,c\n", 2, "size: expected bytes, got '-5'"),
        (HEADER + "10,eu,/a,5\n", 2, "expected 5 fields, got 4"),
        (HEADER + "10,,/a,5,c\n", 2, "zone: expected a name"),
        (HEADER + "10,eu,,5,c\n", 2, "object: expected 1 to 4096 bytes, got 0"),
        (HEADER + "10,eu," + "k" * 4097 + ",5,c\n", 2, "object: expected 1 to 4096 bytes, got 4097"),
        (HEADER + '10,eu,"/a\n', 2, "not CSV"),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(TraceError) as caught:
        read([path])
    assert str(caught.value).startswith(f"{path}:{line}: ") and words in str(caught.value)


@pytest.mark.parametrize("key", ["plain", ":x", "a/b:x"])
def test_dep_prefix_wants_a_dependency(tmp_path: Path, key: str) -> None:
    path = written(tmp_path, f"{HEADER}10,eu,{key},5,c\n")
    with pytest.raises(TraceError, match=r"catalog-db.csv:2: object: expected dep:key"):
        read([path], dep_prefix=True)


def test_other_errors(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no accesses"):
        read([written(tmp_path, HEADER)])
    with pytest.raises(TraceError, match="cannot be read"):
        read([tmp_path / "absent.csv"])
    with pytest.raises(TraceError, match="cannot be read"):
        read([written(tmp_path, gzip.compress(f"{HEADER}1,eu,/a,1,\n".encode())[:-9], "cut.csv.gz")])
    with pytest.raises(TraceError, match="--dep-prefix"):
        read([written(tmp_path, HEADER)], "combined", dep_prefix=True)


def test_keys_are_any_bytes(tmp_path: Path) -> None:
    trace = read([written(tmp_path, HEADER.encode() + b"1,eu,/caf\xe9,1,\xff\n2,eu,/caf\xc3\xa9,1,\n")])
    assert [instance.key for instance in trace.instances] == [b"/caf\xe9", b"/caf\xc3\xa9"]
    assert trace.clients == [b"\xff", b""]


@pytest.mark.parametrize("kind", ["csv", "combined", "envoy"])
@given(garbage=st.binary(max_size=400))
def test_garbage_raises_only_our_error(
    tmp_path_factory: pytest.TempPathFactory, kind: str, garbage: bytes
) -> None:
    path = written(tmp_path_factory.getbasetemp(), garbage, "garbage.csv")
    try:
        trace = read([path], kind)
    except TraceError:
        return
    assert len(trace) and all(instance.key for instance in trace.instances)


def test_capacity(tmp_path: Path) -> None:
    rows = "".join(f"{n},eu,{n},{n + 1},\n" for n in range(100))
    trace = read([written(tmp_path, HEADER + rows)])
    assert (trace.capacity(0.05), trace.capacity(0.001), trace.capacity(0.999)) == (5, 4, 99)
    assert (trace.capacity_bytes(0.5), trace.capacity_bytes(0.001)) == (2525, 202)


@pytest.mark.parametrize(
    ("name", "accesses", "objects", "zones"),
    [("hurence_web", 33_445, 407, 4), ("semicomplete_web", 9_581, 1_387, 4)],
)
def test_the_traces_in_the_project(name: str, accesses: int, objects: int, zones: int) -> None:
    trace = read([DATA / f"{name}.csv.gz"])
    assert (len(trace), len(trace.instances), len(trace.zone_names)) == (accesses, objects, zones)
    assert trace.ts == sorted(trace.ts)


def test_files_of_one_name_are_told_apart_by_their_directories(tmp_path: Path) -> None:
    paths = []
    for zone in ("eu", "us"):
        (tmp_path / zone).mkdir()
        paths.append(tmp_path / zone / "access.csv")
        paths[-1].write_text("ts,object\n1,a\n")
    assert read(paths).zone_names == ("eu", "us")
    other = tmp_path / "us" / "ap.csv"
    other.write_text("ts,object\n1,a\n")
    assert read([*paths, other]).zone_names == ("access", "ap"), "several names: each is a zone"
    (tmp_path / "us" / "access.csv.gz").write_bytes(gzip.compress(b"ts,object\n2,b\n"))
    more = read([*paths, tmp_path / "us" / "access.csv.gz"])
    assert more.zone_names == ("eu", "us") and len(more) == 3, "older files of a zone are that zone"
    with pytest.raises(TraceError, match="given twice"):
        read([paths[0], paths[0]])


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "excel.csv"
    path.write_bytes(b"\xef\xbb\xbfts,object,size\r\n1,k,5\r\n2,k,5\r\n")
    assert len(read([path])) == 2


def test_milliseconds_are_no_seconds(tmp_path: Path) -> None:
    path = tmp_path / "ms.csv"
    path.write_text("ts,object\n1700000000000,k\n")
    with pytest.raises(TraceError, match=r"ms.csv:2: ts: expected Unix seconds.*milliseconds\?"):
        read([path])


def test_holes_of_months_are_not_lived_through_and_said(tmp_path: Path) -> None:
    """One line of a host whose clock stood at 1970, and half a year between two samples."""
    start, day = 1_700_000_000, 86_400
    times = [7.0, *range(start, start + 100), *range(start + 200 * day + 50, start + 200 * day + 100)]
    path = tmp_path / "odd.csv"
    path.write_text("ts,object\n" + "".join(f"{at},k\n" for at in times))
    trace = read([path])
    assert trace.ts[-1] - trace.ts[0] < 2 * day and sorted(trace.ts) == trace.ts
    assert [at % day for at in trace.ts] == [at % day for at in times], "it is the same time of day"
    assert trace.busy_s() == 99 + 49
    assert len(trace.notes) == 1
    assert "19,676 days after 1970-01-01 00:00, and in 1 more such holes" in trace.notes[0]
    (tmp_path / "even.csv").write_text("ts,object\n" + "".join(f"{day * n},k\n" for n in range(90)))
    even = read([tmp_path / "even.csv"])
    assert even.busy_s() == 89 * day and even.notes == ()
