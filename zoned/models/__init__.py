"""Fitting models, which is too dear for the agent: runs in a process of its own (``python -m zoned.models``).

Nothing is imported here: statsforecast costs two seconds and 200 MB, so only ``zoned.models.fit`` does it,
and only the worker (or a simulation that asks for it) imports that.
"""
