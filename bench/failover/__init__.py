"""Failover on the running stack: a carrier broken by command, and what became of every message."""
