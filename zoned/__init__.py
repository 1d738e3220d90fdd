"""zoned: zones that warm each other before the traffic comes."""

__version__ = "0.1.0"
