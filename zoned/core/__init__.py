"""The pure core: no socket, file, clock or global randomness; see ``node.py`` for the loop."""
