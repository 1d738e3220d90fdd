"""``zoned demo``: real agents on loopback, a real trace, and what they gain; sits above both worlds."""
