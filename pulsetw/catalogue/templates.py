"""Patterns in which ``{user}`` stands for the caller: ``inbox:{user}``.

The caller's name is put in as it is: no character of it means anything. Names that no channel can hold, and the empty
one of anonymous clients, have no channel.
"""

from pulsetw.catalogue.names import check_name, check_pattern, is_pattern
from pulsetw.errors import ChannelError

USER = "{user}"


def check_template(template: str) -> str:
    """The template itself: a channel's name, or a pattern, that may have ``{user}`` in it.

    Raises:
        ChannelError: no channel could match, or more than the caller's could.
    """
    if any(pair in template for pair in (f"{USER}*", f"*{USER}", USER * 2)):
        # ``inbox:{user}*`` would open the channels of all whose names begin with the caller's.
        raise ChannelError(
            template, f"has {USER} right beside * or another {USER}: nobody could tell where a name ends"
        )
    pattern = pattern_of(template)
    try:
        (check_pattern if is_pattern(pattern) else check_name)(pattern)
    except ChannelError as error:
        raise ChannelError(template, error.problem) from None
    return template


def pattern_of(template: str) -> str:
    """The pattern of all channels that the template stands for, whoever calls."""
    return template.replace(USER, "*")


def fits(template: str, user: str, name: str) -> bool:
    """Whether a channel is one that the template stands for when this user calls.

    Beside a ``*`` a user whose name holds a character that stands next to ``{user}`` has no channel: it could not be
    told from another one. ``a:b`` has no place in ``dm:{user}:*``, where ``dm:a:b:c`` is the user ``a``'s.

    Args:
        template: a checked one.
        user: the caller; "" = anonymous.
        name: a name that a channel may have.
    """
    if USER in template and not _may_stand_in(template, user):
        return False
    first, *others = (part.replace(USER, user) for part in template.split("*"))
    if not others:
        return name == first
    *between, last = others
    start, end = len(first), len(name) - len(last)
    if start > end or not name.startswith(first) or not name.endswith(last):
        return False
    for part in between:
        found = name.find(part, start, end)
        if found < 0:
            return False
        start = found + len(part)
    return True


def _may_stand_in(template: str, user: str) -> bool:
    if not user or "*" not in template:
        return bool(user)
    parts = template.split(USER)
    beside = {part[-1:] for part in parts[:-1]} | {part[:1] for part in parts[1:]}
    return beside.isdisjoint(user)
