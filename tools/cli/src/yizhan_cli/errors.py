"""How a command ends: exit codes, and errors that are told in a sentence.

CliError
├── UsageError       2  what was asked for makes no sense
├── WrongTopics      3  a topic is not as declared, and cannot be made so in place
├── NotFound         4  something that should be there is not
├── Unavailable      5  a server does not answer, or refuses us
├── NotReplayed      6  some dead letters could not be replayed
└── Refused          7  a service refused what was asked for, with a code
"""

from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """Exit codes; 0 is success, 1 a mistake in this program."""

    USAGE = 2
    WRONG_TOPICS = 3
    NOT_FOUND = 4
    UNAVAILABLE = 5
    NOT_REPLAYED = 6
    REFUSED = 7


class CliError(Exception):
    """An end that the operator is told of in a sentence, without a traceback."""

    exit_code: ClassVar[Exit]


class UsageError(CliError):
    """What was asked for makes no sense."""

    exit_code = Exit.USAGE


class WrongTopics(CliError):
    """A topic is not as the registry declares it, and cannot be made so in place."""

    exit_code = Exit.WRONG_TOPICS


class NotFound(CliError):
    """Something that should be there is not."""

    exit_code = Exit.NOT_FOUND


class Unavailable(CliError):
    """A server does not answer, or refuses."""

    exit_code = Exit.UNAVAILABLE


class NotReplayed(CliError):
    """Some dead letters could not be replayed."""

    exit_code = Exit.NOT_REPLAYED


class Refused(CliError):
    """A service refused what was asked for; its code and what to do are in the sentence."""

    exit_code = Exit.REFUSED
