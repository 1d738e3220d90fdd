"""The configuration: TOML files, variables and flags become one frozen ``Config``, or all that is wrong.

``schema`` is the table of every key (``gossip``: its timers); ``kinds``, ``units`` and ``addresses`` say what
values may be; ``given`` collects what was written and where, with ``lines`` for line numbers; ``load`` puts
it together; ``show`` writes it back. A package rather than one file: the table alone fills some pages.
"""

from zoned.config.load import DEFAULT_PATH, load
from zoned.config.shapes import (
    AgentConfig,
    Config,
    DependencyConfig,
    GossipConfig,
    HttpConfig,
    PeerConfig,
    RespConfig,
    StoreConfig,
)
from zoned.config.show import defaults, describe, detections, effective, staleness_s
from zoned.core.errors import ConfigError

__all__ = [
    "DEFAULT_PATH",
    "AgentConfig",
    "Config",
    "ConfigError",
    "DependencyConfig",
    "GossipConfig",
    "HttpConfig",
    "PeerConfig",
    "RespConfig",
    "StoreConfig",
    "defaults",
    "describe",
    "detections",
    "effective",
    "load",
    "staleness_s",
]
