"""What can go wrong in the router.

YizhanError
├── Misconfigured (runtime)
│   └── BadTable   the channel table is wrong: the running one stays; at start the process ends
└── Retryable (runtime)   Kafka is away
"""

from yizhan_runtime.errors import Misconfigured


class BadTable(Misconfigured):
    """The channel table cannot be used. The message names the place and the reason."""
