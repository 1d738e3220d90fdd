"""One encrypted pool of whole zoned agents, the majority, and Debian's serf agents: what its operators do.

One pool for all of it, in this order; the last test reads Serf's debug log of the whole time.
"""

from __future__ import annotations

import json
import re
import signal
import stat
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.daemon.processes import AgentProcess, until
from tests.interop.members import needs_serf
from tests.interop.whole import Stock, Whole, states, whole_pool, zoned
from zoned.daemon.keyring import fingerprint, generate, parse_key

pytestmark = needs_serf

OLD, NEW = generate(), generate()
OLD_PRINT, NEW_PRINT = fingerprint(parse_key(OLD)), fingerprint(parse_key(NEW))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with ExitStack() as stack:
        yield stack.enter_context(whole_pool(tmp_path_factory.mktemp("whole"), OLD))


def kept(whole: Whole) -> list[list[str]]:
    """The keyrings of our agents, as they are on disk."""
    return [json.loads((agent.data_dir / "keyring.json").read_text()) for agent in whole.agents]


def rumours(agent: AgentProcess) -> float:
    """How many rumours an agent still passes on."""
    found = re.search(r"^zoned_gossip_queue_length (\S+)$", agent.get("/metrics")[2].decode(), re.M)
    assert found is not None
    return float(found[1])


def rows_of(output: str) -> dict[str, list[str]]:
    """Who has which keys, by a report."""
    return {row["node"]: row["keys"] for row in json.loads(output)["members"]}


def test_serf_lists_every_agent_with_its_tags(whole: Whole) -> None:
    for stock in whole.stock:
        for agent in whole.agents:
            row = stock.row(agent.node)
            for word in (f"zone={agent.zone}", "role=zoned", "weight=1", "pool=shop", f"keys={OLD_PRINT}"):
                assert word in row
            assert f"peer=127.0.0.1:{agent.peer}" in row and f"http=127.0.0.1:{agent.http}" in row
            assert f"resp=127.0.0.1:{agent.resp}" in row
            assert agent.json("/v1/ring")["ring_id"] not in row


def test_reachability_and_round_trips(whole: Whole) -> None:
    first, second = whole.stock
    code, output = second.run("reachability")
    assert code == 0 and "Successfully contacted all live nodes" in output, output
    until(lambda: all(first.run("rtt", pair, "s2")[0] == 0 for pair in ("n1", "n2", "n3")), "coordinates")
    code, output = first.run("rtt", "n1", "s1")
    assert code == 0 and re.search(r"rtt: \d+\.\d+ ms", output), output
    assert first.run("rtt", "n1", "n2")[0] == 0


def test_events_and_queries_pass_through(whole: Whole) -> None:
    first, second = whole.stock
    assert first.run("event", "deploy", "v1")[0] == 0
    until(lambda: "user deploy v1" in second.heard(), "the event arrives")
    code, output = second.run("query", "-format=json", "-timeout=1s", "who")
    answered = json.loads(output)
    assert sorted(answered["Acks"]) == ["n1", "n2", "n3", "s1", "s2"]
    assert {node: text.strip() for node, text in answered["Responses"].items()} == {"s1": "s1", "s2": "s2"}


@pytest.mark.parametrize(
    ("filters", "acks"),
    [
        (["-node=n1", "-node=s1"], ["n1", "s1"]),
        (["-tag=zone=z[23]"], ["n2", "n3"]),
        (["-tag=role=zoned", "-node=n3"], ["n3"]),
        (["-tag=zone=(?i)^Z(?:1|3)$"], ["n1", "n3"]),
        (["-tag=none=.*"], ["n1", "n2", "n3", "s1", "s2"]),
        (["-relay-factor=2", "-tag=zone=stock"], ["s1", "s2"]),
        (["-relay-factor=2", "-tag=zone=z1"], ["n1"]),
    ],
)
def test_queries_with_filters_reach_whom_they_mean(whole: Whole, filters: list[str], acks: list[str]) -> None:
    code, output = whole.stock[1].run("query", "-format=json", "-timeout=1s", *filters, "who")
    assert sorted(json.loads(output)["Acks"]) == acks


def test_who_comes_late_gets_the_events_from_us(whole: Whole) -> None:
    for number in range(3):
        assert whole.stock[0].run("event", "-coalesce=false", f"step{number}", "x")[0] == 0
    until(lambda: all(f"step{n} x" in whole.stock[1].heard() for n in range(3)), "they arrive")
    until(lambda: all(rumours(agent) == 0 for agent in whole.agents), "nobody tells them any more")
    late = whole.serf("s3", f"-encrypt={OLD}", "-replay", f"-join=127.0.0.1:{whole.agents[1].gossip}")
    until(lambda: all(f"user step{n} x" in late.heard() for n in range(3)), "the events of before")
    until(whole.together, "everybody knows it")
    assert late.run("leave")[0] == 0
    until(lambda: all(states(agent)["s3"] == "left" for agent in whole.agents), "left here")
    whole.stock.remove(late)
    late.stop()
    assert late.complaints() == []


def keys(whole: Whole, stock: Stock, word: str) -> str:
    """What ``serf keys`` prints, said again while an answer is missing: a query of Serf's is a rumour that
    may miss somebody, and answered in three seconds or not at all. Each verb may be said twice."""
    outputs = []
    for _ in range(5):
        code, output = stock.run("keys", word)
        if code == 0:
            return output
        outputs.append(output)
        if not re.search(r"\b[0-4]/5 nodes reported success", output):
            break
    pytest.fail("\n".join([*outputs, evidence(whole)]))


def evidence(whole: Whole) -> str:
    """Who heard and answered what, as all of them say."""
    parts = []
    for agent in whole.agents:
        metrics = agent.get("/metrics")[2].decode()
        parts += [
            agent.node,
            *re.findall(r"^zoned_\S*(?:quer|key_|late|rejected)\S* [1-9]\S*$", metrics, re.M),
        ]
        parts += [line for line in agent.lines if "keyring" in line or "warn" in line.lower()]
    for stock in whole.stock:
        parts += [stock.node, *[line for line in stock.lines if re.search("WARN|ERR|key", line)][-20:]]
    return "\n".join(parts)


def test_serf_rotates_the_keys(whole: Whole) -> None:
    stock = whole.stock[0]
    for verb, word in (("-install", NEW), ("-use", NEW), ("-remove", OLD)):
        keys(whole, stock, f"{verb}={word}")
        if verb == "-install":
            assert keys(whole, stock, "-list").count("[5/5]") == 2
    assert kept(whole) == [[NEW]] * 3
    modes = {stat.S_IMODE((agent.data_dir / "keyring.json").stat().st_mode) for agent in whole.agents}
    assert modes == {0o600}
    tag = f"keys={NEW_PRINT}"
    until(lambda: all(tag in stock.row(each.node) for each in whole.agents), "our tags follow")
    assert all(agent.said("keyring remove for s1") for agent in whole.agents)
    assert whole.together()


def test_we_rotate_them_back(whole: Whole) -> None:
    first, second, third = whole.agents
    code, output = zoned(second, "keyring", "list", "-o", "json")
    assert code == 0 and rows_of(output) == {name: [NEW_PRINT] for name in ("n1", "n2", "n3", "s1", "s2")}
    code, output = zoned(second, "keyring", "install", "-o", "json", sent=OLD)
    assert code == 0 and set(map(tuple, rows_of(output).values())) == {(NEW_PRINT, OLD_PRINT)}, output
    code, output = zoned(third, "keyring", "use", OLD_PRINT, "-o", "json")
    assert code == 0 and set(map(tuple, rows_of(output).values())) == {(OLD_PRINT, NEW_PRINT)}, output
    code, output = zoned(first, "keyring", "remove", NEW_PRINT, "-o", "json")
    assert code == 0 and len(rows_of(output)) == 5, output
    assert set(map(tuple, rows_of(output).values())) == {(OLD_PRINT,)}
    assert f"{OLD}  [5/5]" in keys(whole, whole.stock[1], "-list")
    assert whole.together()


def test_a_restart_with_other_tags(whole: Whole) -> None:
    agent = whole.agents[2]
    agent.stop()
    configuration = whole.folder / "n3.toml"
    configuration.write_text(configuration.read_text().replace('zone = "z3"', 'zone = "z9"\nweight = 4'))
    agent.zone = "z9"
    agent.start()
    until(agent.up, "it is back")
    until(whole.together, "and known")
    for stock in whole.stock:
        until(lambda stock=stock: "zone=z9" in stock.row("n3") and "weight=4" in stock.row("n3"), "new tags")
    shown = {member["node"]: member for member in whole.agents[0].json("/v1/members")["members"]}
    assert (shown["n3"]["zone"], shown["n3"]["weight"]) == ("z9", 4)


def test_a_join_and_a_leave(whole: Whole) -> None:
    agent = whole.agent("n4", "z4", whole.agents[0].gossip)
    until(whole.together, "it is known")
    assert zoned(agent, "leave")[0] == 0
    until(lambda: all(" left " in stock.row("n4") for stock in whole.stock), "left to Serf")
    whole.agents.remove(agent)
    until(lambda: all(states(each)["n4"] == "left" for each in whole.agents), "left to us")
    assert agent.stop() == 0


def test_serf_has_no_complaints(whole: Whole) -> None:
    for stock in whole.stock:
        assert stock.complaints() == []
    for agent in whole.agents:
        bad = "refused|suspect|Traceback|name conflict"
        assert not agent.said(bad), [line for line in agent.lines if re.search(bad, line)]
        found = re.search(r"^zoned_gossip_key_used_ratio (\S+)$", agent.get("/metrics")[2].decode(), re.M)
        assert found is not None and 0 < float(found[1]) < 1e-3


def test_what_we_refuse_is_told(whole: Whole) -> None:
    stock = whole.stock[0]
    code, output = stock.run("keys", f"-remove={OLD}")
    assert code == 1 and f"key {OLD_PRINT} is the one that seals: use another first" in output, output
    code, output = stock.run("keys", f"-use={NEW}")
    assert code == 1 and f"there is no key {NEW_PRINT} here: install it first" in output, output
    assert kept(whole) == [[OLD]] * 3


def test_an_agent_of_another_pool_is_kept_out(whole: Whole) -> None:
    """Though it has the key, and the seeds got crossed."""
    other = whole.agent("x1", "z1", whole.agents[0].gossip, pool="other")
    whole.agents.remove(other)
    try:
        until(lambda: other.said("not a member: n1 .* is of pool 'shop', we are of 'other'"), "it says so")
        until(lambda: whole.agents[0].said("not a member: x1 .* is of pool 'other'"), "and so do we")
        assert "n1" not in states(other) and "x1" not in states(whole.agents[0])
    finally:
        other.stop()


def test_a_wrong_key_is_told_in_one_line(whole: Whole) -> None:
    stranger = Stock("s4", whole.folder, f"-encrypt={generate()}").start()
    try:
        code, _ = stranger.run("join", f"127.0.0.1:{whole.agents[0].gossip}")
        assert code == 1
        line = "refused: it is encrypted with a key that is not in our keyring"
        until(lambda: whole.agents[0].said(line), "we say so")
        until(lambda: any("No installed keys could decrypt" in each for each in stranger.lines))
        assert "s4" not in states(whole.agents[0]) and stranger.row("n1") == ""
    finally:
        stranger.stop()


def test_a_name_that_is_taken(whole: Whole) -> None:
    """Serf's agents vote and the newcomer ends itself; nobody of ours does, whatever the votes say."""
    (whole.folder / "double").mkdir()
    double = Stock("n1", whole.folder / "double", f"-encrypt={OLD}")
    double.start()
    try:
        double.run("join", f"127.0.0.1:{whole.stock[0].gossip}")
        until(lambda: not double.running(), "the double gives up", 60)
        assert whole.agents[0].up()
        until(whole.together, "the others are as before")
    finally:
        double.stop()


def test_kill_9_is_a_failure_on_both_sides(whole: Whole) -> None:
    victim = whole.agents.pop()
    victim.stop(signal.SIGKILL)
    until(lambda: all(" failed " in stock.row(victim.node) for stock in whole.stock), "failed to Serf", 40)
    until(lambda: all(states(each)[victim.node] == "failed" for each in whole.agents), "failed to us", 40)
    assert all(agent.said(f"member failed {victim.node}") for agent in whole.agents)
