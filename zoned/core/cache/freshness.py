"""How long a copy is fresh, and what it may still be used for after that (RFC 9111, RFC 5861).

Pure arithmetic on seconds; times on the monotonic clock. Whose word counts: the operator's time to live for
the dependency, else what the origin said, else the default. A copy that comes from another agent has aged
already: it brings the seconds it has *left*, and the operator's word may only shorten them. Otherwise a
copy that is handed from zone to zone would be born again with each hop and never expire.
"""

from __future__ import annotations

from math import inf

from zoned.core.records import DependencyPolicy

NO_POLICY = DependencyPolicy(name="")


def lifetime_s(
    policy: DependencyPolicy, default_ttl_s: float | None, said_s: float | None, from_peer: bool
) -> float:
    """Seconds that a copy just received is fresh; infinity: for ever, <= 0: not at all.

    ``said_s`` is what its source said: None from an origin = nothing, None from a peer = it does not expire.
    """
    if from_peer:
        said = inf if said_s is None else said_s
        return said if policy.ttl_s is None else min(said, policy.ttl_s)
    for word in (policy.ttl_s, said_s, default_ttl_s):
        if word is not None:
            return word
    return inf


def kept_s(policy: DependencyPolicy) -> float:
    """Seconds past its expiry that a copy may still be served, for one reason or another."""
    return max(0.0, policy.stale_while_revalidate_s, policy.stale_if_error_s)
