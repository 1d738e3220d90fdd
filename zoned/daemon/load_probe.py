"""How busy the host is: CPU, memory and network as ratios 0..1 of what there is.

Forecasts and placement take the host's load as part of the answer (a zone without head-room is a bad new
home). psutil's cumulative counters are read every few seconds and differences taken here; a reading costs
about 0.3 ms and none is taken in between. Network is measured against the summed speed of the links that are
up; links that do not say (most virtual ones) count as 1 Gbit/s. Rejected: load average (it counts waiting for
disks, and has no ceiling).
"""

from __future__ import annotations

import psutil

from zoned.core.records import Load

_DEFAULT_LINK_MBPS = 1000
_BITS_PER_MEGABIT = 1_000_000


class LoadProbe:
    """Differences of the host's counters between two calls of ``sample``."""

    def __init__(self, now_s: float) -> None:
        """``now_s`` on the mono clock, as in ``sample``."""
        psutil.cpu_percent(interval=None)  # sets psutil's own starting point
        self._capacity_bps = _link_capacity_bps()
        self._bytes = _network_bytes()
        self._sampled_s = now_s

    def sample(self, now_s: float, loop_lag_s: float) -> Load:
        """The load since the last call; ``loop_lag_s`` is measured by the caller and passed on."""
        moved = _network_bytes()
        elapsed_s = max(now_s - self._sampled_s, 1e-3)
        network = (moved - self._bytes) * 8 / elapsed_s / self._capacity_bps
        self._bytes = moved
        self._sampled_s = now_s
        return Load(
            cpu=_ratio(psutil.cpu_percent(interval=None) / 100),
            memory=_ratio(psutil.virtual_memory().percent / 100),
            network=_ratio(network),
            loop_lag_s=loop_lag_s,
        )


def _ratio(value: float) -> float:
    """Clamped to 0..1: counters of hot-plugged CPUs and reset interfaces jump."""
    return min(1.0, max(0.0, value))


def _network_bytes() -> int:
    """Bytes sent and received over all links but loopback, so far."""
    links = psutil.net_io_counters(pernic=True)
    return sum(link.bytes_sent + link.bytes_recv for name, link in links.items() if name != "lo")


def _link_capacity_bps() -> float:
    """Bits per second that all links that are up can carry, in one direction."""
    stats = psutil.net_if_stats()
    speeds = [link.speed or _DEFAULT_LINK_MBPS for name, link in stats.items() if link.isup and name != "lo"]
    return float(sum(speeds) or _DEFAULT_LINK_MBPS) * _BITS_PER_MEGABIT
