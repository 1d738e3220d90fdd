"""Line numbers of keys, compared with a file in which every key says its own line."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from zoned.config.lines import key_lines, line_of

TRICKY = '''
a.b = 2
[ring] # a [comment] = 3
replicas = 4
"quoted = key" = 5
many = [ # 6
  "x = 1", [ "]" ],
  { inner = "[nested]" },
]
after = 10
text = """ # 11
[not.a.section]
fake = 1 " "" \\" ]
"""
single = \'\'\'
it's = "one
\'\'\'
last = 18
[[dependency]]
name = 20
[dependency.headers]
X = 22
[[dependency]]
name = 24
[ "odd name" . sub ]
key = 26
'''


def values(
    table: dict[str, Any], path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], int]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from values(value, (*path, key))
        elif isinstance(value, list) and key == "dependency":
            for index, item in enumerate(value):
                yield from values(item, (*path, key, index))
        elif isinstance(value, int):
            yield (*path, key), value


def test_every_key_knows_its_line() -> None:
    lines = key_lines(TRICKY)
    found = dict(values(tomllib.loads(TRICKY)))
    assert len(found) == 9
    assert {path: lines[path] for path in found} == found
    assert lines["ring",] == 3
    assert lines["dependency", 1] == 23
    assert ("fake",) not in lines and ("not",) not in lines
    assert lines["ring", "single"] == 15


def test_what_has_no_line_takes_the_line_around_it() -> None:
    lines = key_lines(TRICKY)
    assert line_of(lines, ("ring", "nothing")) == 3
    assert line_of(lines, ("nothing",)) == 1


@given(st.text(alphabet="ab=[]{}\"'#\n.\\ ", max_size=60))
def test_no_valid_file_makes_it_fail(text: str) -> None:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    key_lines(text)
