"""Erasures in MongoDB."""
