"""The virtual world: the same core as the daemon's, in virtual time, over recorded or made-up accesses."""
