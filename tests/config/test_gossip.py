"""Every timer and limit of gossip from the file: over the profile, checked together, none forgotten."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from zoned.config import ConfigError, load
from zoned.config.gossip import CHECKS, MIN_ROOM_BYTES, SEAL_BYTES, TIMERS, profile_values
from zoned.core.gossip import GossipSettings
from zoned.core.gossip.messages import Alive
from zoned.core.gossip.wire import MAX_META, MAX_NAME, VERSIONS, compound, encode, with_crc
from zoned.daemon.gossip_seal import OVERHEAD

ZONE = {"agent.zone": "eu-1"}
NOT_KEYS = {"seal_bytes", "digests", "counts_half_life_s"}
"""They follow from keys and label, are an ablation, follow from the forecast's."""


def problems(**given: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(None, {}, ZONE | {f"gossip.{name}": value for name, value in given.items()})
    return list(caught.value.problems)


def test_every_field_is_a_key() -> None:
    fields = {field.name for field in dataclasses.fields(GossipSettings)}
    assert {timer.field for timer in TIMERS} == fields - NOT_KEYS
    assert len({timer.name for timer in TIMERS}) == len(TIMERS)


@pytest.mark.parametrize("profile", ["lan", "wan", "local"])
def test_every_key_overrides_the_profile_and_nothing_else(profile: str) -> None:
    preset = GossipSettings.profile(profile)
    assert load(None, {}, {**ZONE, "gossip.profile": profile}).node.gossip == preset
    for timer in TIMERS:
        value = getattr(preset, timer.field)
        other = not value if isinstance(value, bool) else value * 2
        path = f"gossip.{timer.name}"
        flags = {**ZONE, "gossip.profile": profile, path: timer.kind.render(other).strip('"')}
        try:
            config = load(None, {}, flags)
        except ConfigError as error:  # out of its range or too large beside another: its neighbour must do
            assert path in error.problems[0]
            other = value / 2 if timer.field.endswith("_s") else value - 1
            flags[path] = timer.kind.render(other).strip('"')
            config = load(None, {}, flags)
        assert config.node.gossip == dataclasses.replace(preset, **{timer.field: other}), timer.field
        assert config.sources[path] == f"--{path}"
    config = load(None, {}, {**ZONE, "gossip.profile": profile})
    assert config.sources["gossip.dial_slow"] == f"default (profile {profile})"
    assert profile_values(profile)["probe_interval"] == preset.probe_interval_s


def test_what_does_not_fit_together_is_told_where_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "zoned.toml"
    path.write_text(
        """[agent]
zone = "eu-1"
[gossip]
profile = "wan"
probe_interval = "2s"
gossip_interval = "7s"
dial_slow = "100ms"
"""
    )
    with pytest.raises(ConfigError) as caught:
        load(path, {}, {})
    assert [problem.replace(f"{tmp_path}/", "") for problem in caught.value.problems] == [
        "zoned.toml:5: gossip.probe_interval: expected gossip.probe_timeout at most gossip.probe_interval"
        " = 2s, got 3s (or nobody else would be asked in time)",
        "zoned.toml:6: gossip.gossip_interval: expected 2 x gossip.gossip_interval at most"
        " gossip.probe_interval x gossip.suspicion_mult = 12s, got 7s"
        " (an accusation and its refutation must travel before the verdict)",
        "zoned.toml:7: gossip.dial_slow: expected gossip.dial_fast at most gossip.dial_slow = 100ms, got 1s"
        " (fresh losses are called more often)",
    ]


def test_every_check_can_fail_and_none_does_by_default() -> None:
    for rule in CHECKS:
        kind = next(timer.kind for timer in TIMERS if timer.name == rule.lesser)
        most = getattr(GossipSettings(), next(t.field for t in TIMERS if t.name == rule.greater))
        found = problems(**{rule.lesser: kind.render(most * 10).strip('"')})
        assert any(rule.why in problem for problem in found), rule


def test_values_out_of_range_are_told_with_the_default() -> None:
    found = problems(probe_interval="0s", gossip_nodes="0", packet_bytes="70000B")
    assert sorted(problem.partition(": ")[2] for problem in found) == [
        'gossip.gossip_nodes: expected a whole number from 1 to 64, got "0" (default 3)',
        'gossip.packet_bytes: expected a size from 1KiB to 65000B, got "70000B" (default "1400B")',
        'gossip.probe_interval: expected a duration > 0, got "0s" (default "1s")',
    ]


def test_the_longest_announcement_fits_into_the_smallest_packet() -> None:
    there = ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 65535)
    longest = encode(Alive(0xFFFFFFFF, "n" * MAX_NAME, there, b"m" * MAX_META, VERSIONS))
    assert len(with_crc(compound([longest, b""]))) <= MIN_ROOM_BYTES
    assert SEAL_BYTES == OVERHEAD
    (problem,) = problems(packet_bytes="1KiB", label="a" * 255)
    assert "gossip.packet_bytes: expected at least 1025B with this label and key, got 1024B" in problem
    load(None, {}, {**ZONE, "gossip.packet_bytes": "1KiB", "gossip.label": "a" * 100})
