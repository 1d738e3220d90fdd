"""``zoned replay --config``: the operator's settings reach the nodes, and TTLs reach everybody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from zoned.cli.own_config import own_config, with_own
from zoned.cli.replay import replay
from zoned.simulation.results import ReplayOptions
from zoned.simulation.trace import read
from zoned.simulation.zoned_policy import settings_of

OWN = """
[store]
max_objects = 7
eviction = "sieve"
[ring]
replicas = 3
[prefetch]
enabled = false
[gossip]
profile = "wan"
[[dependency]]
name = "shop"
origin = "https://shop.example/{key}"
ttl = "100s"
policy = "lru"
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "shop.csv"
    rows = [f"{i},{'ab'[i % 2]},o{i % 10},1,c" for i in range(1000)]
    path.write_text("\n".join(["ts,zone,object,size,req", *rows]) + "\n")
    return path


def written(tmp_path: Path, text: str = OWN) -> Path:
    path = tmp_path / "zoned.toml"
    path.write_text(text)
    return path


def invoke(log: Path, config: Path, *flags: str) -> Result:
    return CliRunner().invoke(replay, [str(log), "--config", str(config), *flags])


def result(log: Path, config: Path, *flags: str) -> dict[str, Any]:
    found = invoke(log, config, "--json", *flags)
    assert found.exit_code == 0, found.output
    told: dict[str, Any] = json.loads(found.stdout)
    return told


def test_what_the_file_sets_is_the_nodes_and_nothing_else(log: Path, tmp_path: Path) -> None:
    trace = read([log])
    plain = settings_of(trace, 7, ReplayOptions(), 0)
    options = with_own(own_config(written(tmp_path)), trace, ReplayOptions())
    own = settings_of(trace, 7, options, 0)
    assert own.cache.eviction == "sieve" and own.ring.replicas == 3 and not own.prefetch.enabled
    assert own.policies[0].ttl_s == 100.0 and own.policies[0].policy == "lru"
    assert own.gossip == plain.gossip and own.cache.max_objects == 7 and own.forecast == plain.forecast
    assert own.turn_interval_s == plain.turn_interval_s and own.learning == plain.learning
    assert options.own.ttl_s == {"shop": 100.0}


def test_the_store_is_the_room_unless_a_flag_says_another(log: Path, tmp_path: Path) -> None:
    config = written(tmp_path)
    assert result(log, config, "--policies", "lru")["capacity"]["count"] == 7
    assert result(log, config, "--policies", "lru", "--capacity-objects", "9")["capacity"]["count"] == 9
    in_bytes = written(tmp_path, OWN.replace("max_objects = 7", 'max_bytes = "2KiB"'))
    assert result(log, in_bytes, "--policies", "lru")["capacity"]["bytes"] == 2048
    none = written(tmp_path, OWN.replace("max_objects = 7", ""))
    assert result(log, none, "--policies", "lru")["capacity"]["count"] == 4  # 5 %, at least 4


def test_copies_expire_under_every_policy(log: Path, tmp_path: Path) -> None:
    """Each zone reads five instances in turn, each every 10 s: with room for all of them only time takes
    copies away, once in 100 s, which is one read in ten or eleven."""
    told = result(log, written(tmp_path), "--policies", "lru,s3fifo,peer,zoned,oracle")
    for policy in ("lru", "s3fifo", "peer", "zoned"):
        assert told["policies"][policy]["hit_ratio"] == pytest.approx(0.9, abs=0.02), policy
    assert told["policies"]["oracle"]["hit_ratio"] == 1.0
    assert any("but the oracle, which ignores it" in note for note in told["config"])
    lasting = written(tmp_path, OWN.replace('ttl = "100s"', ""))
    told = result(log, lasting, "--policies", "lru,zoned")
    assert told["policies"]["lru"]["hit_ratio"] == told["policies"]["zoned"]["hit_ratio"] == 1.0
    assert any("no ttl is set for shop" in note for note in told["config"])


def test_a_name_that_the_trace_lacks_is_told_with_those_that_it_has(log: Path, tmp_path: Path) -> None:
    found = invoke(log, written(tmp_path, OWN.replace('"shop"', '"pricing"')), "--policies", "lru")
    assert found.exit_code == 0
    assert "the trace has no dependency pricing; it has shop" in found.stderr
    assert invoke(log, written(tmp_path), "--policies", "lru").stderr == ""


def test_stages_that_the_file_switches_off_are_off(log: Path, tmp_path: Path) -> None:
    config = written(tmp_path, '[agent]\nablate = ["digests"]\n' + OWN)
    told = result(log, config, "--policies", "zoned", "--ablate", "learning")
    assert told["ablate"] == ["learning", "digests"]


def test_a_bad_configuration_is_one(log: Path, tmp_path: Path) -> None:
    found = invoke(log, written(tmp_path, OWN.replace("max_objects", "max_objets")))
    assert found.exit_code == 78 and "zoned.toml:3: store.max_objets: unknown key" in found.stderr


def test_the_table_says_what_was_applied(log: Path, tmp_path: Path) -> None:
    shown = invoke(log, written(tmp_path), "--policies", "lru,zoned").stdout
    assert (
        "store.eviction, prefetch.enabled, ring.replicas, dependency[shop] applied to zoned's nodes" in shown
    )
    assert "copies expire (shop 100s)" in shown
