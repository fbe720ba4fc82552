"""Names that a channel may have, and patterns over them.

The characters are Centrifugo's less the glob characters, so that no name can be read as a Redis pattern, and less the
comma, which separates names in URLs. Names under ``pulsetw:`` are the relay's own keys.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from pulsetw.errors import ChannelError

MAX_NAME_CHARACTERS = 200
RESERVED = "pulsetw:"

_CHARACTERS = r"A-Za-z0-9_\-=@.;:#$!/"
_name = re.compile(rf"[{_CHARACTERS}]{{1,{MAX_NAME_CHARACTERS}}}")
_pattern = re.compile(rf"[{_CHARACTERS}*]{{1,{MAX_NAME_CHARACTERS}}}")


def check_name(name: str) -> str:
    """The name itself.

    Raises:
        ChannelError: no channel may have this name.
    """
    if not _name.fullmatch(name):
        raise ChannelError(
            name,
            f"has no name for one: expected 1 to {MAX_NAME_CHARACTERS} of A-Z a-z 0-9 _ - = @ . ; : # $ ! /",
        )
    if name.startswith(RESERVED):
        raise ChannelError(name, f"has a name under {RESERVED}, which are the relay's own")
    return name


def is_pattern(name: str) -> bool:
    """Whether this stands for many names: it has a ``*``."""
    return "*" in name


def check_pattern(pattern: str) -> str:
    """The pattern itself: a name in which ``*`` stands for any characters, also none.

    Raises:
        ChannelError: no channel could match.
    """
    if not _pattern.fullmatch(pattern):
        raise ChannelError(pattern, "is no pattern: expected a channel's name with * for any characters")
    if pattern.startswith(RESERVED):
        raise ChannelError(pattern, f"has a name under {RESERVED}, which are the relay's own")
    return pattern


@lru_cache(maxsize=1024)
def matcher(pattern: str) -> Callable[[str], object]:
    """A function that tells whether a name matches the pattern."""
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL).fullmatch
