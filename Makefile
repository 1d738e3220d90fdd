# Each target works on a fresh machine with Python >= 3.11, make and the package registries.
#   make demo [ARGS="--seconds 60"]   zones as real agent processes on loopback, and what they gain
#   make test [ARGS="tests/core"]     the tests           make check   style and types
#   make soak [ARGS="--seconds 600"]  Serf's agents and ours in one encrypted pool, and Serf's log of it
#   make fuzz [ARGS="1000000 1"]      so many mutated packets and streams into a whole node, from a seed
#   make soak-sim [ARGS="--runs 20"]  the simulator over random seeds, for an hour or a night
#   make bench                        ratios against a peer in the same run, and costs of the hot parts
#   make bench-adversary [ARGS="--seeds 4"]  the worst hour against LRU where what pays turns every hour
#   make bench-pool [ARGS="--sizes 3,10"]   pools of serf and zoned in turn: crashes, joins, cost at rest

PYTHON ?= $(firstword $(shell command -v python3 python3.13 python3.12 python3.11 2>/dev/null))
BIN := .venv/bin
STAMP := .venv/.installed
SERVERS := serf redis-server
BENCHES := $(addprefix tests/bench/,bench_ring.py bench_replay.py bench_miss.py bench_memory.py bench_planner.py bench_associations.py bench_directory.py cache_index.py prefetcher.py bench_gossip.py bench_agent.py bench_resp.py bench_hostile.py)

.PHONY: demo test check bench fuzz bench-adversary bench-pool soak soak-sim servers

demo: $(STAMP)
	@$(BIN)/zoned demo $(ARGS)

test: $(STAMP) servers
	@$(BIN)/python -m pytest -q $(ARGS)

check: $(STAMP)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check -q .
	@$(BIN)/mypy

fuzz: $(STAMP)
	@PYTHONPATH=. $(BIN)/python -m tests.fuzz.machine $(or $(ARGS),1000000)

soak-sim: $(STAMP)
	@PYTHONPATH=. $(BIN)/python tests/soak/soak.py $(ARGS)

bench: $(STAMP)
	@for bench in $(BENCHES); do echo "== $$bench"; PYTHONPATH=. $(BIN)/python $$bench || exit 1; done

soak: $(STAMP) servers
	@PYTHONPATH=. $(BIN)/python tests/interop/soak.py $(ARGS)

bench-adversary: $(STAMP)
	@PYTHONPATH=. $(BIN)/python tests/bench/bench_adversary.py $(ARGS)

# Needs root and serf; 25 minutes for all sizes. Mass starts: make bench-pool ARGS="--mass 60"
bench-pool: $(STAMP) servers
	@$(BIN)/python tests/bench/bench_pool.py $(ARGS)

# Real servers that some tests talk to. Only root can install them; without one its tests say so
# (they skip, and fail where CI is set).
servers:
	@for server in $(SERVERS); do \
	  command -v $$server >/dev/null || [ -x /usr/sbin/$$server ] && continue; \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || continue; \
	  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
	    apt-get -qq -y --no-install-recommends install $$server; } >/dev/null \
	    || echo "make: could not install $$server; its tests will say so" >&2; \
	done

# The stamp is as old as what was installed from; pip does nothing where all is in place.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "zoned needs Python >= 3.11 (make PYTHON=...)")'
	@test -x $(BIN)/python || { echo "make: .venv (once, about a minute)" >&2; $(PYTHON) -m venv .venv; }
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
