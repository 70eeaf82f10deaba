"""Holds: what is stopped, until it is resumed."""
