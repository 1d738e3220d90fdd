"""A whole pool in one process: hosts, their network, one origin, one virtual clock.

Everything that the real world does with wires and timers is done here by a heap, so a run repeats from its
seed. Between two calls nothing happens; ``run_until`` lets time pass.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from zoned.core import actions as act
from zoned.core import events as ev
from zoned.core.names import Address, Instant, NodeName, Season, Zone
from zoned.core.settings import NodeSettings
from zoned.simulation.host import Host
from zoned.simulation.network import Network
from zoned.simulation.schedule import Schedule
from zoned.simulation.wires import Wires, gossip_address
from zoned.simulation.world import Answer, Fitter, Machine, OriginModel

PEER_PORT = 7947
WALL = Season()


def peer_address(index: int) -> Address:
    """The transfer address of the host with that number."""
    return gossip_address(index)[0], PEER_PORT


class Cluster:
    """Hosts that gossip with, and fetch from, one another in virtual time."""

    def __init__(
        self,
        *,
        network: Network,
        origin: OriginModel,
        start_s: float,
        hit_s: float,
        rtt_s: float,
        instant_fetches: bool,
        answered: Callable[[Answer], None],
        season: Season = WALL,
        fitter: Fitter | None = None,
    ) -> None:
        """``fitter``: None: whoever asks for models is told that the worker failed."""
        self.schedule = Schedule(0.0)
        self.network = network
        self.wires = Wires(self.schedule, network)
        self.origin = origin
        self.hit_s = hit_s
        self.instant_fetches = instant_fetches
        self.answered = answered
        self.hosts: dict[NodeName, Host] = {}
        self._start_s = start_s
        self._season = season
        self._instant = Instant(-1.0, 0.0, 0.0)  # the last one that was asked for
        self._rtt_s = rtt_s
        self._fitter = fitter
        self._by_peer: dict[Address, Host] = {}

    def add(self, settings: NodeSettings) -> Host:
        """One more machine, switched off."""
        host = Host(self, settings)
        self.hosts[settings.node] = host
        self.wires.plug(host)
        assert settings.peer_address is not None
        self._by_peer[settings.peer_address] = host
        return host

    def instant(self) -> Instant:
        """Now, on the three clocks: mono is the schedule's, from 0; wall from ``start_s`` on, and the season
        as it follows the wall."""
        now_s = self.schedule.now_s
        if self._instant[0] != now_s:  # a moment has several events
            wall_s, season = self._start_s + now_s, self._season
            self._instant = Instant(now_s, wall_s, wall_s if season is WALL else season.at(wall_s))
        return self._instant

    def run_until(self, when_s: float) -> None:
        """Let time pass."""
        self.schedule.run_until(when_s)

    def at_peer_address(self, address: Address) -> Host:
        """Whose transfer port that is."""
        return self._by_peer[address]

    def rtt_s(self, a: Zone, b: Zone) -> float:
        """A round trip of a fetch between two zones."""
        return self._rtt_s if a != b else self._rtt_s / 20

    # ---- what hosts want done -------------------------------------------------------------------

    def offer(self, sender: Machine, action: act.Offer) -> None:
        """Carry an offer of copies."""
        target = self._by_peer.get(action.address)
        if target is not None and self.network.reaches(sender.zone, target.zone):
            event = ev.Offered(sender=sender.name, keys=action.keys, sizes=action.sizes, going=action.going)
            self.schedule.after(self.network.delay_s(sender.zone, target.zone), lambda: target.give(event))

    def fit(self, machine: Machine, action: act.Fit) -> None:
        """Fit models, if this world does; the answer comes a second later."""
        result = None if self._fitter is None else self._fitter(action.job)
        answer = ev.ModelsFitted(job=action.job.job, result=result)
        self.schedule.after(1.0, lambda: machine.give(answer))


def chance(seed: int, what: str) -> Random:
    """A generator of its own for each use, so that one more draw here changes nothing there."""
    return Random(f"{seed}/{what}")
