"""Simulated carriers: what they do with a message, and the record of it."""
