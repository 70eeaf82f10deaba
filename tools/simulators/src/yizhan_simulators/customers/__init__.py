"""Simulated customers: what they do with a receipt push, and the record of it."""
