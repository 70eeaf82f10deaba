"""SMPP 3.4, for whoever sends (ESME) and whoever takes (SMSC). The standard library only.

Everything but ``session``, ``client`` and ``server`` is pure. "The specification" is "Short Message
Peer to Peer Protocol Specification v3.4", issue 1.2; sections are its own.
"""
