"""Packages and balance: leased before acceptance, settled from what was accepted."""
