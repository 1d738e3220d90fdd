"""The configuration written back: complete, loadable, and without secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoned.config import defaults, describe, detections, effective, load, staleness_s
from zoned.config.schema import KEYS
from zoned.core.gossip import GossipSettings

TEXT = """
[agent]
zone = "eu-1"
season_start = "2026-03-02T06:00:00Z"
[gossip]
join = ["b.example:7946"]
[[dependency]]
name = "d"
origin = "http://o/{key}"
headers = { Authorization = "s3cret" }
"""


def test_what_is_shown_loads_to_the_same(tmp_path: Path) -> None:
    path = tmp_path / "zoned.toml"
    path.write_text(TEXT.replace("headers", "# headers"))
    config = load(path, {}, {})
    again = tmp_path / "again.toml"
    again.write_text("\n".join(effective(config)))
    assert load(again, {}, {}).values == config.values


def test_every_value_has_its_place(tmp_path: Path) -> None:
    path = tmp_path / "zoned.toml"
    path.write_text(TEXT)
    config = load(path, {"ZONED_RING__VNODES": "64"}, {})
    lines = "\n".join(effective(config, origin=True))
    assert f'zone = "eu-1"                                # {path}:3' in lines
    assert "# env ZONED_RING__VNODES" in lines
    rows = {row["key"]: row for row in describe(config)}
    assert rows["ring.vnodes"] == {"key": "ring.vnodes", "value": "64", "origin": "env ZONED_RING__VNODES"}
    assert rows["dependency[d].origin"]["origin"] == f"{path}:9"
    assert {key.path for key in KEYS} <= set(rows)


def test_no_secret_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "zoned.toml"
    path.write_text(TEXT)
    config = load(path, {}, {})
    assert "s3cret" not in "\n".join(effective(config, origin=True))
    assert "s3cret" not in str(describe(config))


def test_the_defaults_are_a_file_that_only_lacks_a_zone(tmp_path: Path) -> None:
    path = tmp_path / "zoned.toml"
    path.write_text("\n".join(defaults()))
    config = load(path, {}, {"agent.zone": "eu-1"})
    assert config.node == load(None, {}, {"agent.zone": "eu-1"}).node


def test_what_the_timers_mean_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "zoned.toml"
    path.write_text(TEXT)
    for profile, typical_s in (("lan", 6.1), ("wan", 38.4)):
        config = load(path, {"ZONED_GOSSIP__PROFILE": profile}, {})
        assert detections(config)[10].typical_s == pytest.approx(typical_s, abs=0.5)
        lines = list(effective(config))
        told = f"mostly {detections(config)[10].typical_s:.3g} s, in a pool of 10"
        assert any(line.endswith(told) for line in lines[lines.index("[gossip]") : lines.index("[store]")])
        assert f"#   {staleness_s(config)[10]:.3g} s in a pool of 10" in lines
    assert staleness_s(load(path, {}, {}))[30] == GossipSettings().staleness_s(30)
    quick = load(path, {"ZONED_GOSSIP__PROBE_INTERVAL": "500ms"}, {})
    assert detections(quick)[10].typical_s < 0.6 * 6.1


def test_the_defaults_leave_timers_to_the_profile(tmp_path: Path) -> None:
    path = tmp_path / "zoned.toml"
    path.write_text("\n".join(defaults()).replace('profile = "lan"', 'profile = "wan"'))
    assert load(path, {}, {"agent.zone": "eu-1"}).node.gossip == GossipSettings.profile("wan")
    assert "# probe_interval = " in path.read_text()
