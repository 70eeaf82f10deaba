"""Receipts: what carriers say later, normalised and published."""
