"""Errors of receipts, beside those of the runtime.

Exception
└── ForbiddenAddress   an endpoint leads to where no customer can be: it is not asked
"""


class ForbiddenAddress(Exception):
    """A customer's URL leads to a private, local or otherwise forbidden address or port."""
