"""Contracts of Yizhan: events, topics, ids, reasons. Pydantic and the standard library; no I/O."""
