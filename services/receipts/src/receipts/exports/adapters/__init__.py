"""Exports in MongoDB."""
