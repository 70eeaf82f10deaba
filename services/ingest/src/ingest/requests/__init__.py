"""Requests over HTTP: one message each, checked, stored, published, then answered."""
