"""Retention in MongoDB."""
