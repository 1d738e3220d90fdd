"""The real world around a node: sockets, disk, clocks, and bytes. Decides nothing that ``core`` could
decide."""
