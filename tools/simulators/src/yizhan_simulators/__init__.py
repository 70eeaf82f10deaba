"""Carriers, a voice provider and customers as programs with faults on demand."""
