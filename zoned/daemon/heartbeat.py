"""What must be done again and again: look how late the loop runs, how busy the host is, and say that we live.

The loop's lag is measured as the lateness of this task's own short sleeps. It matters to gossip (an agent
that runs late judges others too harshly, Lifeguard), to placement, and to the watchdog: pings stop while the
loop is so late that a restart is the better state, and they come from the loop itself, so that a loop that
hangs is noticed. Load goes to the node every few seconds, and at once when the loop is late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import Gauge, Histogram

from zoned.core.events import LoadSampled
from zoned.core.records import Load
from zoned.daemon.clock import Clock
from zoned.daemon.driver import Driver
from zoned.daemon.load_probe import LoadProbe
from zoned.daemon.systemd import Notifier

BEAT_S = 0.25
BEATS_PER_REPORT = 4  # latencies go to the node once a second
BEATS_PER_SAMPLE = 20  # the host's load every five
LATE_S = 0.1  # a lag over this is told to the node with the next report


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges:
    """Where measurements are shown."""

    loop_lag: Histogram
    load: Gauge


class Heartbeat:
    """One task; see the module's docstring."""

    def __init__(
        self, driver: Driver, clock: Clock, notifier: Notifier, gauges: Gauges, status: Callable[[], str]
    ) -> None:
        """``status``: one line for ``systemctl status``."""
        self._driver = driver
        self._clock = clock
        self._notifier = notifier
        self._gauges = gauges
        self._status = status
        self._probe = LoadProbe(clock.now().mono_s)
        self._load = Load()
        self._lag_s = 0.0
        self._pinged_s = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        beats = 0
        while True:
            due_s = self._clock.now().mono_s + BEAT_S
            await asyncio.sleep(BEAT_S)
            lag_s = max(0.0, self._clock.now().mono_s - due_s)
            self._gauges.loop_lag.observe(lag_s)
            self._lag_s = max(self._lag_s, lag_s)
            beats += 1
            self._ping(lag_s)
            if beats % BEATS_PER_REPORT == 0:
                self._driver.report_latency()
            if beats % BEATS_PER_SAMPLE == 0 or (self._lag_s > LATE_S and beats % BEATS_PER_REPORT == 0):
                self._sample(beats % BEATS_PER_SAMPLE == 0)

    def _sample(self, probe: bool) -> None:
        """Tell the node the load; ``probe``: read the host anew, else only the loop's lag is."""
        load = self._load
        if probe:
            load = self._load = self._probe.sample(self._clock.now().mono_s, 0.0)
            for resource, value in (("cpu", load.cpu), ("memory", load.memory), ("network", load.network)):
                self._gauges.load.labels(resource).set(value)
            self._notifier.send(f"STATUS={self._status()}")
        lag_s, self._lag_s = self._lag_s, 0.0
        self._driver.submit(
            LoadSampled(load=Load(cpu=load.cpu, memory=load.memory, network=load.network, loop_lag_s=lag_s))
        )

    def _ping(self, lag_s: float) -> None:
        """Tell the watchdog that we live, four times as often as it wants, unless the loop is far behind."""
        watchdog_s = self._notifier.watchdog_s
        now_s = self._clock.now().mono_s
        if watchdog_s is None or lag_s > watchdog_s / 2 or now_s - self._pinged_s < watchdog_s / 4:
            return
        self._pinged_s = now_s
        self._notifier.send("WATCHDOG=1")
