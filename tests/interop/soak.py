"""``make soak``: a pool of Serf's agents and ours for some minutes, and all that operators do with it.

Agents join, leave and restart; keys are rotated from either side; events and queries pass. In the end Serf's
debug logs must hold no line at WARN or ERR, and ours none that speaks of a member that was suspected or
refused. The suite does the same once, quickly (``test_whole_pool.py``); this is for what
needs time: push/pulls every 30 s, reconnects, reaping, timers that drift.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.daemon.processes import AgentProcess, until
from tests.interop.whole import Whole, states, whole_pool, zoned
from zoned.daemon.keyring import fingerprint, generate, parse_key

_OURS = "refused|member suspect|Traceback|name conflict| error "


class Soak:
    """The deeds, each by its name, over one pool."""

    def __init__(self, whole: Whole, key: str) -> None:
        self._whole = whole
        self._key = key
        self._numbered = 3

    def join_and_leave(self) -> None:
        """One of ours comes and goes for good."""
        whole = self._whole
        self._numbered += 1
        agent = whole.agent(f"n{self._numbered}", f"z{self._numbered}", whole.stock[0].gossip)
        until(whole.together, "the newcomer is known")
        assert zoned(agent, "leave")[0] == 0
        until(lambda: all(" left " in one.row(agent.node) for one in whole.stock), "it left, to Serf")
        whole.agents.remove(agent)
        until(lambda: all(states(each)[agent.node] == "left" for each in whole.agents), "it left, to us")
        assert agent.stop() == 0

    def serf_joins_and_leaves(self) -> None:
        """One of Serf's comes, by way of us, and goes for good."""
        whole = self._whole
        self._numbered += 1
        sealed = [f"-encrypt={self._key}"] if self._key else []
        one = whole.serf(f"s{self._numbered}", *sealed, f"-join=127.0.0.1:{whole.agents[0].gossip}")
        until(whole.together, "Serf's newcomer is known")
        assert one.run("leave")[0] == 0
        until(lambda: all(states(each)[one.node] == "left" for each in whole.agents), "it left")
        whole.stock.remove(one)
        one.stop()
        assert one.complaints() == [], one.complaints()

    def restart(self) -> None:
        """One of ours restarts."""
        agent: AgentProcess = self._whole.agents[-1]
        agent.stop()
        agent.start()
        until(agent.up, "it is back")
        until(self._whole.together, "and known")

    def rotate_by_serf(self) -> None:
        """A new key by ``serf keys``."""
        new, old = generate(), self._key
        for verb, key in (("-install", new), ("-use", new), ("-remove", old)):
            code, output = self._whole.stock[0].run("keys", f"{verb}={key}")
            assert code == 0, output
        self._take(new)

    def rotate_by_us(self) -> None:
        """A new key by ``zoned keyring``."""
        new, old = generate(), self._key
        agent = self._whole.agents[0]
        deeds = (("install",), ("use", fingerprint(parse_key(new))), ("remove", fingerprint(parse_key(old))))
        for deed in deeds:
            code, output = zoned(agent, "keyring", *deed, sent=new)
            assert code == 0, output
        self._take(new)

    def _take(self, key: str) -> None:
        """What newcomers are to begin with."""
        self._key = key
        (self._whole.folder / "gossip.key").write_text(key + "\n")

    def events_and_queries(self) -> None:
        """Both pass; a query may lose a packet, as any may, but not the event."""
        first, second = self._whole.stock
        name = f"event{time.monotonic_ns()}"
        assert first.run("event", "-coalesce=false", name, "x")[0] == 0
        until(lambda: name in second.heard(), "the event arrives")
        assert second.run("query", "-timeout=1s", "who")[0] == 0

    def complaints(self) -> list[str]:
        """What is not as it should be, in any log."""
        theirs = [f"{one.node}: {line.strip()}" for one in self._whole.stock for line in one.complaints()]
        ours = [each.node for each in self._whole.agents if each.said(_OURS)]
        return theirs + [f"{node}: its own log has {_OURS}" for node in ours]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0, help="how long, in all (default: 180)")
    parser.add_argument("--plain", action="store_true", help="without encryption, and so without rotations")
    arguments = parser.parse_args()
    seconds, key = arguments.seconds, "" if arguments.plain else generate()
    with tempfile.TemporaryDirectory() as folder, whole_pool(Path(folder), key) as whole:
        soak = Soak(whole, key)
        deeds: list[Callable[[], None]] = [soak.events_and_queries, soak.join_and_leave]
        deeds += [soak.serf_joins_and_leaves, soak.restart]
        if key:
            deeds[2:2] = [soak.rotate_by_serf]
            deeds.append(soak.rotate_by_us)
        started_s = time.monotonic()
        done = 0
        while time.monotonic() - started_s < seconds:
            deed = deeds[done % len(deeds)]
            deed()
            done += 1
            print(f"{time.monotonic() - started_s:6.1f} s  {deed.__name__}", flush=True)
            due_s = started_s + seconds * done / (4 * len(deeds))
            time.sleep(max(0.0, min(due_s - time.monotonic(), 30.0)))
        found = soak.complaints()
        for line in found:
            print(line)
        lines = sum(len(one.lines) for one in whole.stock)
        print(f"{done} deeds, {lines} lines of Serf's logs, {len(found)} complaints")
        return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
