"""Gossip: membership on memberlist's wire (SWIM, Lifeguard, Serf), and anti-entropy between zoned agents."""

from zoned.core.gossip.detection import Detection, detection
from zoned.core.gossip.settings import GossipSettings
from zoned.core.gossip.stream import StreamScanner, decode_stream, inflated, stream_complete
from zoned.core.gossip.swim import Swim
from zoned.core.gossip.tags import Identity

__all__ = [
    "Detection",
    "GossipSettings",
    "Identity",
    "StreamScanner",
    "Swim",
    "decode_stream",
    "detection",
    "inflated",
    "stream_complete",
]
