"""How well messages are routed while carriers fail: simulated carriers, virtual time, seeded.

Ours, an oracle that knows the truth, and two rules from the trade, on the same faults.
"""
