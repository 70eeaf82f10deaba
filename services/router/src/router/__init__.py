"""Chooses the channel of every attempt."""
