"""A whole pool for the interop tests: zoned agents as processes, and Debian's serf agents beside them.

Unlike ``members.py``, which puts our gossip stage alone on real sockets, everything here is what an operator
runs: configuration, daemon, keyring on disk, command line.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.daemon.fakes import free_port
from tests.daemon.processes import AgentProcess, Origin, agreed, until

SERF = shutil.which("serf")
_OF_ITSELF = ("Serf shutdown detected, quitting", "agent.ipc:")
"""It ends after a leave; its command line hung up on it."""


class Stock:
    """One ``serf agent`` with its debug log; ``folder`` is where its event handler writes what it got."""

    def __init__(self, node: str, folder: Path, *arguments: str) -> None:
        self.node, self.folder = node, folder / node
        self.folder.mkdir()
        self.gossip, self.rpc = free_port(), free_port()
        self.arguments = arguments
        self.lines: list[str] = []
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Stock:
        assert SERF is not None, "CI must install serf"
        handler = self.folder / "handler.sh"
        heard = shlex.quote(str(self.folder / "heard"))
        handler.write_text(
            f'#!/bin/sh\n{{ printf "%s %s " "$SERF_EVENT" "$SERF_USER_EVENT"; cat; echo; }} >> {heard}\n'
        )
        handler.chmod(0o755)
        self._process = subprocess.Popen(
            [SERF, "agent", f"-node={self.node}", f"-bind=127.0.0.1:{self.gossip}"]
            + [f"-rpc-addr=127.0.0.1:{self.rpc}", "-tag", "zone=stock", "-log-level=debug"]
            + [f"-event-handler=user={handler}", f"-event-handler=query:who=cat >/dev/null; echo {self.node}"]
            + [*self.arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,))
        self._reader.start()
        until(lambda: self.run("info")[0] == 0, f"{self.node} answers")
        return self

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.lines.append(line.rstrip("\n"))

    def run(self, *words: str) -> tuple[int, str]:
        """A verb of serf's command line; its exit code and all that it printed."""
        assert SERF is not None
        verb = [SERF, words[0], f"-rpc-addr=127.0.0.1:{self.rpc}", *words[1:]]
        done = subprocess.run(verb, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def row(self, node: str) -> str:
        """That member's line of ``serf members``."""
        return next((line for line in self.run("members")[1].splitlines() if line.split()[:1] == [node]), "")

    def heard(self) -> str:
        """What the event handler got."""
        path = self.folder / "heard"
        return path.read_text() if path.exists() else ""

    def complaints(self) -> list[str]:
        """Lines of its log at WARN or ERR, but for what it says of itself."""
        bad = [line for line in self.lines if "[WARN]" in line or "[ERR]" in line]
        return [line for line in bad if not any(own in line for own in _OF_ITSELF)]

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        if self._process is None:
            return
        if self.running():
            self._process.kill()
        self._process.wait(10)
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


@dataclass
class Whole:
    """The pool: ``agents`` are zoned's, ``stock`` are Serf's."""

    folder: Path
    origin: Origin
    agents: list[AgentProcess] = field(default_factory=list)
    stock: list[Stock] = field(default_factory=list)

    def agent(self, name: str, zone: str, seed: int, pool: str = "shop") -> AgentProcess:
        """One more of ours."""
        joins = f'"127.0.0.1:{seed}"'
        one = AgentProcess(self.folder, name, zone, self.origin.port, joins)
        path = self.folder / f"{name}.toml"  # with Serf's own timers, not those for a quick test
        path.write_text(path.read_text().replace('profile = "local"', f'profile = "lan"\npool = "{pool}"'))
        self.agents.append(one.start())
        until(one.up, f"{name} is up")
        return one

    def serf(self, name: str, *arguments: str) -> Stock:
        """One more of Serf's."""
        one = Stock(name, self.folder, *arguments)
        self.stock.append(one)
        return one.start()

    def together(self) -> bool:
        """Whether everybody sees everybody alive, and our rings agree."""
        names = [one.node for one in (*self.agents, *self.stock)]
        ours = all(states(one).get(name) == "alive" for one in self.agents for name in names)
        theirs = all(" alive " in one.row(name) for one in self.stock for name in names)
        return ours and theirs and agreed(self.agents)

    def close(self) -> None:
        for agent in self.agents:
            if agent.process is not None:
                agent.stop(signal.SIGKILL)
        for one in self.stock:
            one.stop()
        self.origin.close()


@contextmanager
def whole_pool(folder: Path, key: str) -> Iterator[Whole]:
    """Two serf agents and three of ours, the majority; sealed if there is a key."""
    whole = Whole(folder, Origin())
    with pytest.MonkeyPatch.context() as environment:
        sealed = [f"-encrypt={key}"] if key else []
        if key:
            (folder / "gossip.key").write_text(key + "\n")
            environment.setenv("ZONED_GOSSIP__KEY_FILE", str(folder / "gossip.key"))
        try:
            first = whole.serf("s1", *sealed)
            whole.serf("s2", *sealed, f"-join=127.0.0.1:{first.gossip}")
            for number in (1, 2, 3):
                whole.agent(f"n{number}", f"z{number}", first.gossip)
            until(whole.together, "everybody sees everybody")
            yield whole
        finally:
            whole.close()


def states(agent: AgentProcess) -> dict[str, str]:
    """The state of each member, as one of our agents sees it."""
    return {member["node"]: member["state"] for member in agent.json("/v1/members")["members"]}


def zoned(agent: AgentProcess, *verb: str, sent: str = "") -> tuple[int, str]:
    """A verb of our command line; its exit code and all that it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "zoned", *verb, "--addr", f"127.0.0.1:{agent.http}"],
        input=sent,
        capture_output=True,
        text=True,
        env={**os.environ, "ZONED_ADDR": ""},
    )
    return done.returncode, done.stdout + done.stderr
