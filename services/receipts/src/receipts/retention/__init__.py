"""Retention: what is kept for how long, and what takes it out when that is over."""
