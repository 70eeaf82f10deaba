"""The load generator: how many messages a second, how long each stage takes.

And who spends what.
"""
