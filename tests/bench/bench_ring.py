"""The ring against PyPI's uhashring in the same run: look-ups and build at 100 nodes. It only prints.

    python tests/bench/bench_ring.py

Both have the same nodes and look up the same keys; hashing the key is part of both look-ups (ours hashes the
dependency's name too). uhashring stands there twice: with as many tokens as ours and its fastest hash, and as
it comes. It knows one owner per key; our build computes all preference lists.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import uhashring

sys.path.insert(0, str(Path(__file__).parents[2]))

from zoned.core.names import InstanceKey, key_hash
from zoned.core.ring import Ring, RingMember, RingSettings

NODES, KEYS, ROUNDS = 100, 200_000, 5
POOLS: tuple[tuple[int, int, tuple[int, ...]], ...] = (  # nodes, zones, weights in turn
    (5, 5, (1,)),
    (30, 10, (1,)),
    (300, 100, (1,)),
    (300, 100, (1, 2, 4, 8)),
    (300, 3, (1, 64)),
    (9, 3, (1, 64, 64)),
    (1000, 500, (1, 2, 4)),
)


def best(run: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        started = perf_counter()
        run()
        times.append(perf_counter() - started)
    return min(times)


def main() -> None:
    names = [f"node-{index:03d}" for index in range(NODES)]
    members = [RingMember(name, f"zone-{index % 5}", 1) for index, name in enumerate(names)]
    settings = RingSettings()
    ours = Ring.build(members, settings)
    theirs = uhashring.HashRing(nodes=names, hash_fn="ketama", vnodes=settings.vnodes // 4, replicas=4)
    as_it_comes = uhashring.HashRing(nodes=names)
    instances = [InstanceKey("prices", b"/v1/item/%d" % index) for index in range(KEYS)]
    texts = [instance.key.decode() for instance in instances]
    hashes = [key_hash(instance) for instance in instances]

    def look_up_ours() -> None:
        for instance in instances:
            ours.owner_of(instance)

    def look_up_in_two() -> None:
        for instance in instances:
            ours.owner(key_hash(instance))

    def look_up_hashed() -> None:
        for hashed in hashes:
            ours.owner(hashed)

    def look_up_theirs() -> None:
        for text in texts:
            theirs.get_node(text)

    def look_up_as_it_comes() -> None:
        for text in texts:
            as_it_comes.get_node(text)

    build_ours = best(lambda: Ring.build(members, settings))
    build_theirs = best(
        lambda: uhashring.HashRing(nodes=names, hash_fn="ketama", vnodes=settings.vnodes // 4, replicas=4)
    )
    runs = (look_up_ours, look_up_hashed, look_up_theirs, look_up_in_two, look_up_as_it_comes)
    per_key = [best(run) / KEYS * 1e6 for run in runs]
    print(f"build, {NODES} nodes: ours {build_ours * 1e3:.1f} ms, uhashring {build_theirs * 1e3:.1f} ms, "
          f"ratio {build_theirs / build_ours:.1f}")  # fmt: skip
    print(f"look-up with key hash: ours {per_key[0]:.3f} us, uhashring {per_key[2]:.3f} us, "
          f"ratio {per_key[2] / per_key[0]:.1f}; uhashring as it comes {per_key[4]:.3f} us, "
          f"ratio {per_key[4] / per_key[0]:.1f}")  # fmt: skip
    print(f"look-up by key_hash, then owner: ours {per_key[3]:.3f} us, ratio {per_key[2] / per_key[3]:.1f}")
    print(f"look-up of a key hashed before: ours {per_key[1]:.3f} us, ratio {per_key[2] / per_key[1]:.1f}")
    for nodes, zones, weights in POOLS:
        some = [
            RingMember(f"node-{index:04d}", f"zone-{index % zones}", weights[index % len(weights)])
            for index in range(nodes)
        ]
        took = best(lambda some=some: Ring.build(some, settings))  # type: ignore[misc]
        print(f"build, {nodes} nodes of {zones} zones, weights {weights}: ours {took * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
