"""Errors of receipts, beside those of the runtime.

Exception
├── ForbiddenAddress   an endpoint leads to where no customer can be: it is not asked
└── EndpointRefused    an endpoint cannot be managed like this: says what to do
    ├── NoSuchEndpoint
    ├── CannotSeal         no key material is here: no secret can be kept
    └── ChangedMeanwhile   somebody else was quicker
"""


class ForbiddenAddress(Exception):
    """A customer's URL leads to a private, local or otherwise forbidden address or port."""


class EndpointRefused(Exception):
    """What was asked of an endpoint cannot be done. The message is for whoever asked."""


class NoSuchEndpoint(EndpointRefused):
    """The account has no endpoint, or none of that kind."""


class CannotSeal(EndpointRefused):
    """The operators gave this service no key material."""


class ChangedMeanwhile(EndpointRefused):
    """The endpoint was changed again and again by others meanwhile."""
