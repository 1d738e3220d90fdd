"""Access logs: what becomes a row, what is left out, what is an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zoned.simulation.rows import Row, Skipped, TraceError, combined_rows, envoy_rows
from zoned.simulation.trace import read

GOOD = (
    '192.0.2.7 - ann [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif?a=1#x HTTP/1.0" 200 2326 "-" "Mozilla"'
)
ENVOY = {
    "start_time": "2024-05-03T16:20:00.250Z",
    "method": "GET",
    "path": "/v1/prices/42",
    "response_code": 200,
    "bytes_sent": 512,
    "request_id": "6f1c",
    "downstream_remote_address": "192.0.2.7:4711",
    "upstream_cluster": "outbound|8080||prices.shop.svc",
}


def rows_of(lines: list[str]) -> tuple[list[Row], Skipped]:
    skipped = Skipped()
    return list(combined_rows(lines, "a.log", skipped)), skipped


def test_combined() -> None:
    rows, _ = rows_of([GOOD])
    assert rows == [Row(1, 971211336.0, None, None, "/apache_pb.gif?a=1", 2326, "192.0.2.7")]


def test_common_format_and_bodiless_answers() -> None:
    rows, _ = rows_of(['::1 - - [01/Jan/2024:00:00:00 +0000] "GET / HTTP/1.1" 304 -'])
    assert rows == [Row(1, 1704067200.0, None, None, "/", 0, "::1")]


@pytest.mark.parametrize("change", [('"GET', '"POST'), (" 200 ", " 404 "), (" 200 ", " 500 ")])
def test_other_requests_are_left_out(change: tuple[str, str]) -> None:
    rows, skipped = rows_of([GOOD, GOOD.replace(*change)])
    assert len(rows) == 1 and (skipped.lines, skipped.other, skipped.meaningless) == (2, 1, 0)


@pytest.mark.parametrize(
    "line", ["", "rubbish", GOOD.replace("Oct", "Okt"), GOOD.replace("10/Oct", "31/Feb")]
)
def test_meaningless_lines_are_counted(line: str) -> None:
    rows, skipped = rows_of([GOOD, line])
    assert len(rows) == 1 and skipped.meaningless == 1 and skipped.first_bad.startswith("a.log:2: ")


def test_envoy() -> None:
    lines = [
        json.dumps(ENVOY),
        json.dumps(ENVOY | {"method": "PUT"}),
        "[1]",
        json.dumps(ENVOY | {"start_time": 3}),
    ]
    skipped = Skipped()
    rows = list(envoy_rows(lines, "e.json", skipped))
    cluster = "outbound|8080||prices.shop.svc"
    assert rows == [Row(1, 1714753200.25, None, cluster, "/v1/prices/42", 512, "192.0.2.7")]
    assert (skipped.other, skipped.meaningless) == (1, 2)


def test_envoy_client_falls_back_to_the_address() -> None:
    record = {name: value for name, value in ENVOY.items() if name != "request_id"}
    rows = list(envoy_rows([json.dumps(record)], "e.json", Skipped()))
    assert rows[0].client == "192.0.2.7"


def test_an_id_of_each_request_groups_nothing_so_the_address_does() -> None:
    edge = [ENVOY | {"request_id": f"r{n}", "x_forwarded_for": "198.51.100.4, 10.0.0.1"} for n in range(20)]
    inside = [ENVOY | {"request_id": f"r{n // 4}"} for n in range(20)]
    for records, clients in ((edge, {"198.51.100.4"}), (inside, {f"r{n}" for n in range(5)})):
        rows = envoy_rows([json.dumps(record) for record in records], "e.json", Skipped())
        assert {row.client for row in rows} == clients


def test_logs_become_traces(tmp_path: Path) -> None:
    for name in ("east.log", "west.log"):
        (tmp_path / name).write_text(f"{GOOD}\n{GOOD.replace('200', '503')}\n")
    trace = read([tmp_path / "east.log", tmp_path / "west.log"], "combined")
    assert (len(trace), trace.zone_names, trace.dependencies, trace.skipped) == (
        2,
        ("east", "west"),
        ("default",),
        2,
    )
    (tmp_path / "mesh.json").write_text(json.dumps(ENVOY))
    assert read([tmp_path / "mesh.json"], "envoy").dependencies == ("mesh",)
    assert read([tmp_path / "mesh.json"], "envoy", True).dependencies == ("outbound|8080||prices.shop.svc",)


def test_a_file_of_another_kind_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("dear diary\n" * 9)
    with pytest.raises(TraceError, match=r"notes.txt:1: .*9 of 9 lines"):
        read([path], "combined")


def test_lines_that_mean_nothing_are_told_from_those_that_are_no_reads(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("\n".join([GOOD, GOOD, GOOD, GOOD.replace("GET", "POST"), "garbage"]))
    trace = read([path], "combined")
    assert (len(trace), trace.skipped, trace.meaningless) == (3, 2, 1)
    assert trace.notes[0].startswith("1 lines mean nothing as combined: ") and "a.log:5: " in trace.notes[0]


def test_what_a_file_is_shows_in_its_first_lines(tmp_path: Path) -> None:
    texts = {
        "east.log": f"torn line\n{GOOD}\n",
        "west.json": f"{json.dumps(ENVOY)}\n",
        "south.csv": "ts,object\n971211336,/apache_pb.gif?a=1\n",
        "none.log": "",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    trace = read([tmp_path / name for name in texts])
    assert len(trace) == 3 and set(trace.zone_names) == {"east", "west", "south"}
    assert {one.key for one in trace.instances} == {b"/apache_pb.gif?a=1", b"/v1/prices/42"}
    with pytest.raises(TraceError, match="another --format"):
        read([tmp_path / "south.csv"], "combined")
