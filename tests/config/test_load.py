"""From files, variables and flags to one Config, or to every problem with its place."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from zoned.config import Config, ConfigError, load
from zoned.config.schema import STAGE_DEFAULTS
from zoned.core.settings import ABLATIONS

ZONE = {"agent.zone": "eu-1"}
ORIGIN = 'expected a URL "http(s)://HOST/...{key}" with one {key} after the host, and no user or fragment'
MINIMAL = '[agent]\nzone = "eu-1"\n'


def write(folder: Path, text: str, name: str = "zoned.toml") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def problems(
    path: Path | None, env: dict[str, str] | None = None, flags: dict[str, str] | None = None
) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, env or {}, flags or {})
    return [problem.replace(f"{path.parent}/" if path else "\0", "") for problem in caught.value.problems]


def loaded(folder: Path, text: str, env: dict[str, str] | None = None) -> Config:
    return load(write(folder, MINIMAL + text), env or {}, {})


def test_a_zone_is_all_that_is_needed() -> None:
    config = load(None, {}, ZONE)
    assert config.agent.zone == config.node.zone == "eu-1"
    assert config.gossip.advertise == config.node.gossip_address == ("127.0.0.1", 7946)
    assert config.node.peer_address == ("127.0.0.1", 7947)
    assert config.http.listen == ("127.0.0.1", 7980)
    for stage, settings in STAGE_DEFAULTS.items():
        assert getattr(config.node, stage) == settings
    assert config.sources["agent.zone"] == "--zone"
    assert config.sources["ring.replicas"] == "default"


def test_without_a_zone_nothing_starts(tmp_path: Path) -> None:
    assert problems(None) == [
        "no file: agent.zone: expected the name of this agent's zone, got nothing"
        ' (example "eu-west-1a"; or --zone, or ZONED_AGENT__ZONE)'
    ]
    (problem,) = problems(write(tmp_path, '\n[agent]\nnode = "a"\n'))
    assert problem.startswith("zoned.toml:2: agent.zone: expected the name")


def test_values_reach_their_stages(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        """
        weight = 3
        [gossip]
        profile = "wan"
        join = ["b.example", "[::1]:9"]
        [store]
        max_bytes = "1GiB"
        max_objects = 5000
        eviction = "sieve"
        [ring]
        replicas = 3
        out_after = "1h"
        [forecast]
        bucket = "5m"
        horizons = ["30m", "2h"]
        [prefetch]
        bandwidth = "1MB/s"
        link_bandwidth = "250kB/s"
        transfer_price = "20ms"
        [learning]
        sample = 1000
        """,
    )
    node = config.node
    assert node.weight == 3
    assert node.gossip.probe_interval_s == 5.0
    assert config.gossip.join == (("b.example", 7946), ("::1", 9))
    assert (node.cache.max_bytes, node.cache.max_objects, node.cache.eviction) == (1 << 30, 5000, "sieve")
    assert (config.store.max_bytes, config.store.max_objects) == (1 << 30, 5000)
    assert (node.ring.replicas, node.ring.out_after_s) == (3, 3600.0)
    assert (node.forecast.bucket_s, node.forecast.horizons_s) == (300.0, (1800.0, 7200.0))
    assert (node.prefetch.bandwidth_bytes_s, node.prefetch.link_bandwidth_bytes_s) == (1e6, 250e3)
    assert node.placement.transfer_price_s_per_mib == 0.02
    assert node.learning.sample_objects == 1000


def test_a_dependency(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        """
        [[dependency]]
        name = "pricing-api"
        origin = "https://prices.example/v1/{key}"
        ttl = "1m"
        replicas = 3
        policy = "replicate"
        max_object = "1MiB"
        stale_if_error = "1h"
        timeout = "3s"
        headers = { Authorization = "Bearer s3cret" }
        [[dependency]]
        name = "other"
        origin = "http://o/{key}"
        """,
    )
    first, second = config.dependencies
    assert first.policy == config.node.policies[0]
    assert (first.policy.ttl_s, first.policy.replicas, first.policy.policy) == (60.0, 3, "replicate")
    assert (first.policy.max_object_bytes, first.policy.stale_if_error_s) == (1 << 20, 3600.0)
    assert (first.timeout_s, first.headers) == (3.0, (("Authorization", "Bearer s3cret"),))
    assert second.policy.ttl_s is None and second.policy.name == "other"
    assert config.sources["dependency[pricing-api].ttl"].endswith("zoned.toml:7")


def test_later_places_override_earlier_ones(tmp_path: Path) -> None:
    path = write(
        tmp_path, MINIMAL + "[ring]\nreplicas = 1\nvnodes = 100\nout_after = '1m'\nrestart_grace = '1s'\n"
    )
    write(tmp_path, "[ring]\nvnodes = 200\n", "conf.d/10.toml")
    write(
        tmp_path,
        '[ring]\nvnodes = 300\n[[dependency]]\nname = "d"\norigin = "http://o/{key}"\n',
        "conf.d/20.toml",
    )
    write(tmp_path, "nonsense", "conf.d/readme.txt")
    env = {"ZONED_RING__REPLICAS": "3", "ZONED_RING__OUT_AFTER": "2m", "ZONED_ADDR": "x", "PATH": "y"}
    config = load(path, env, {"ring.replicas": "4"})
    assert (config.node.ring.replicas, config.node.ring.vnodes) == (4, 300)
    assert (config.node.ring.out_after_s, config.node.ring.restart_grace_s) == (120.0, 1.0)
    assert [dependency.policy.name for dependency in config.dependencies] == ["d"]
    assert config.sources["ring.out_after"] == "env ZONED_RING__OUT_AFTER"
    assert config.sources["ring.vnodes"] == f"{tmp_path}/conf.d/20.toml:2"


def test_every_problem_is_told_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """\
[agent]
zone = 3
weigth = 1
[gossip]
profile = "fast"
[rings]
x = 1
[ring]
vnodes = 0
out_after = "soon"
[forecast]
bucket = "7m"
horizons = ["1d", "1h"]
[prefetch]
replicas = 2
[[dependency]]
name = "a"
origin = "https://{key}"
[[dependency]]
name = "a"
[[dependency]]
origin = "http://o/{key}"
ttl = 30
""",
    )
    found = problems(
        path, {"ZONED_RING__VNODES": "many", "ZONED_NOPE__X": "1", "ZONED_DEPENDENCY__NAME": "a"}
    )
    assert found == [
        "zoned.toml:2: agent.zone: expected a name of letters, digits, '.', '_' and '-' (at most 128), got 3"
        ' (example "eu-west-1a")',
        'zoned.toml:3: agent.weigth: unknown key; did you mean "weight"?',
        'zoned.toml:5: gossip.profile: expected one of "lan", "wan", "local", got "fast" (default "lan")',
        'zoned.toml:6: rings: unknown section; did you mean "ring"?',
        "zoned.toml:9: ring.vnodes: expected a whole number from 1 to 8192, got 0 (default 512)",
        'zoned.toml:10: ring.out_after: expected a duration > 0, got "soon" (default "10m")',
        "zoned.toml:12: forecast.bucket: expected a duration from 1s to 1h that divides an hour, got"
        ' "7m" (default "1m")',
        "zoned.toml:13: forecast.horizons: expected different durations, shortest first"
        ' (default ["1h", "1d"])',
        'zoned.toml:15: prefetch.replicas: unknown key; did you mean "ring.replicas"?',
        "zoned.toml:18: dependency[a].origin: "
        + ORIGIN
        + ', got "https://{key}" (example "https://prices.example/v1/{key}")',
        "zoned.toml:19: dependency[a#2].origin: "
        + ORIGIN
        + ', got nothing (example "https://prices.example/v1/{key}")',
        "zoned.toml:20: dependency[a].name: expected a name not used before, got that of zoned.toml:16"
        " (each dependency once)",
        "zoned.toml:21: dependency[#3].name: expected a name without ':', '/', ',', quotes or spaces"
        ' (at most 128), got nothing (example "pricing-api")',
        'zoned.toml:23: dependency[#3].ttl: expected a duration > 0, got 30 (example "5m")',
        "env ZONED_DEPENDENCY__NAME: dependencies can only be set in a file",
        f"env ZONED_NOPE__X: nope: unknown section; {found[-2].split('; ')[1]}",
        "env ZONED_RING__VNODES: ring.vnodes: expected a whole number from 1 to 8192,"
        ' got "many" (default 512)',
    ]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert problems(tmp_path / "none.toml", flags=ZONE) == [
        "none.toml: expected a readable file, got No such file or directory"
    ]
    (problem,) = problems(write(tmp_path, "a = 1\nb = \n"), flags=ZONE)
    assert problem.startswith("zoned.toml:2: expected TOML, got: ")
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'[agent]\nzone = "z\xe9"\n')
    assert problems(latin, flags=ZONE) == ["latin.toml: expected UTF-8, got byte 0xe9"]


def test_sections_of_the_wrong_shape(tmp_path: Path) -> None:
    found = problems(
        write(tmp_path, 'agent = "x"\n[dependency]\nname = "a"\n[gossip.join]\na = 1\n'), flags=ZONE
    )
    assert found == [
        'zoned.toml:1: agent: expected a section [agent], got "x"',
        "zoned.toml:2: dependency: expected sections [[dependency]], got a table",
        "zoned.toml:4: gossip.join: expected a list of HOST:PORT, got a table"
        ' (example ["zone-b.example:7946"])',
    ]


@pytest.mark.parametrize("key", ["gossip.bind", "http.listen", "peer.listen"])
def test_nothing_plain_is_bound_outside_loopback_by_accident(key: str) -> None:
    (problem,) = problems(None, flags={**ZONE, key: "10.0.0.1:9000"})
    assert "expected a loopback address unless agent.insecure = true, got 10.0.0.1:9000" in problem
    assert load(None, {"ZONED_AGENT__INSECURE": "true"}, {**ZONE, key: "10.0.0.1:9000"})
    assert load(None, {}, {**ZONE, key: "[::1]:9000"})


def test_encrypted_gossip_may_leave_the_host() -> None:
    outside = {**ZONE, "gossip.bind": "10.0.0.1:7946", "gossip.key_file": "/etc/zoned/gossip.key"}
    gossip = load(None, {}, {**outside, "gossip.label": "shop"}).gossip
    assert (gossip.key_file, gossip.label) == (Path("/etc/zoned/gossip.key"), "shop")
    for switch in ("gossip.verify_incoming", "gossip.verify_outgoing"):
        (problem,) = problems(None, flags={**outside, switch: "false"})
        assert "expected a loopback address" in problem
    (problem,) = problems(None, flags={**outside, "gossip.label": "a b"})
    assert problem.startswith("--gossip.label: gossip.label: expected letters, digits")


def test_what_the_others_are_told_can_be_reached() -> None:
    insecure = {
        **ZONE,
        "agent.insecure": "true",
        "gossip.bind": "0.0.0.0:7946",
        "peer.listen": "0.0.0.0:7947",
    }
    (problem,) = problems(None, flags=insecure)
    assert "gossip.advertise: expected an address of this host that the others can reach" in problem
    node = load(None, {}, {**insecure, "gossip.advertise": "10.0.0.1"}).node
    assert node.gossip_address == ("10.0.0.1", 7946)
    assert node.peer_address == ("10.0.0.1", 7947)
    assert node.http_address is None  # loopback of this host is nothing to the others


def test_ports_are_not_shared() -> None:
    (problem,) = problems(None, flags={**ZONE, "peer.listen": "127.0.0.1:7980"})
    assert "http.listen: expected a port of its own, got that of peer.listen" in problem
    assert load(None, {}, {**ZONE, "peer.listen": "127.0.0.2:7980"})


def test_port_0_is_any_free_one_where_nobody_must_know_it_beforehand() -> None:
    config = load(None, {}, {**ZONE, "peer.listen": "127.0.0.1:0", "http.listen": "127.0.0.1:0"})
    assert config.peer.listen == config.http.listen == ("127.0.0.1", 0)
    assert "gossip.bind: expected IP:PORT" in problems(None, flags={**ZONE, "gossip.bind": "127.0.0.1:0"})[0]


def test_ablation_switches_stages_off() -> None:
    node = load(None, {}, {**ZONE, "agent.ablate": ",".join(ABLATIONS)}).node
    for stage, field, off in ABLATIONS.values():
        assert field in {known.name for known in dataclasses.fields(getattr(node, stage))}
        assert getattr(getattr(node, stage), field) == off != getattr(STAGE_DEFAULTS[stage], field)


def test_state_goes_where_the_service_manager_says(tmp_path: Path) -> None:
    env = {"STATE_DIRECTORY": "/var/lib/private/zoned"}
    assert load(None, env, ZONE).agent.data_dir == Path("/var/lib/private/zoned")
    assert load(None, env, {**ZONE, "agent.data_dir": str(tmp_path)}).agent.data_dir == tmp_path
    assert load(None, {}, {**ZONE, "http.socket": ""}).http.socket is None


def test_flags_that_name_no_key() -> None:
    assert problems(None, flags={**ZONE, "ring.replica": "2"}) == [
        'flag: ring.replica: unknown key; did you mean "replicas"?'
    ]
