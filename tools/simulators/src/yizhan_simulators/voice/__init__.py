"""Simulated voice providers: what they do with a call, and the record of it."""
