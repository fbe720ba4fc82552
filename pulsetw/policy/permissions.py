"""What a client may do with a channel.

A rule says who may do what. A token's own list, its claim ``can``, does two things: it lets its holder in where the
rule says ``token``; and it is all that its holder may do, whatever rules allow to others. It never opens what a rule
leaves to nobody, and never another user's ``{user}``.
"""

from collections.abc import Mapping
from typing import Literal, Protocol, get_args

from pulsetw.catalogue import Audience, Channel, Rule
from pulsetw.catalogue import Who as Word
from pulsetw.catalogue.templates import USER, check_template, fits
from pulsetw.catalogue.who import Who
from pulsetw.errors import ChannelError, CommandError, ErrorCode
from pulsetw.policy.conditions import wrong

Operation = Literal["subscribe", "publish", "history", "presence"]

OPERATIONS: tuple[Operation, ...] = get_args(Operation)

MAX_PATTERNS = 100
"""In a token's list for one operation."""


class Caller(Protocol):
    """What is asked of a client's identity."""

    @property
    def user(self) -> str:
        """Its name; "" = anonymous."""

    @property
    def claims(self) -> Mapping[str, object]:
        """What else its token says, as JSON's plain types."""

    @property
    def can(self) -> Mapping[str, tuple[str, ...]] | None:
        """Its token's own list, see `parse_can`; None = it has none."""


def parse_can(document: object) -> dict[str, tuple[str, ...]]:
    """A token's own list: from operation to patterns, in which ``{user}`` may stand for the token's user.

    Raises:
        ValueError: names what was wrong and what was expected. An operation that is not known is wrong, too: it may be
            a mistyped one that was meant to bind.
    """
    if not isinstance(document, Mapping):
        raise wrong("can", "an object from operations to patterns", document)
    for operation in document:
        if operation not in OPERATIONS:
            raise wrong("can", " or ".join(OPERATIONS), operation)
    return {operation: _patterns(f"can.{operation}", listed) for operation, listed in document.items()}


def check(identity: Caller, operation: Operation, name: str, channel: Channel, who: Who, template: str) -> None:
    """Whether a client may do something with a channel.

    Args:
        identity: the client's.
        operation: what it wants to do.
        name: the channel's name, a checked one.
        channel: the declaration that governs it.
        who: whom its rule allows the operation.
        template: the name under which the rule stands, such as ``inbox:{user}``.

    Raises:
        CommandError: it may not, or it asks to subscribe to what comes to it without subscribing.
    """
    if channel.audience is Audience.USER and operation == "subscribe" and identity.user:
        raise _already_subscribed()
    # To an audience of one user clients can publish, where the rule lets them.
    is_closed = channel.audience is Audience.SERVERS or (channel.audience is Audience.USER and operation != "publish")
    if is_closed or not permits(identity, operation, name, who, template):
        raise CommandError(ErrorCode.PERMISSION_DENIED)


def permits(identity: Caller, operation: Operation, name: str, who: Who, template: str) -> bool:
    """Whether rule and token allow a client to do something with a channel that has no audience. See `check`."""
    if USER in template and not fits(template, identity.user, name):
        return False
    lists = identity.can or {}
    listed = lists.get(operation)
    # Whoever may not subscribe may not see a channel by another way either.
    bound = lists.get("subscribe") if listed is None and operation != "publish" else listed
    if bound is not None and not any(fits(pattern, identity.user, name) for pattern in bound):
        return False
    if who.everybody or (who.users and identity.user != ""):
        return True
    # Subscribers get what a channel keeps when they come back; whom else they see there a token has to say itself.
    is_listed = listed is not None or (bound is not None and operation == "history")
    return (who.token and is_listed) or any(claim.holds(identity.claims) for claim in who.claims)


def check_subscribe(user: str, channel: Channel, rule: Rule) -> None:
    """Whether a client may subscribe.

    Raises:
        CommandError: it may not, or its events come to it without subscribing.
    """
    if channel.audience is Audience.USER and user:
        raise _already_subscribed()
    if channel.audience is not Audience.ALL or not _is_among(rule.subscribe, user):
        raise CommandError(ErrorCode.PERMISSION_DENIED)


def check_publish(user: str, channel: Channel, rule: Rule) -> None:
    """Whether a client may publish.

    Raises:
        CommandError: it may not.
    """
    if channel.audience is Audience.SERVERS or not _is_among(rule.publish, user):
        raise CommandError(ErrorCode.PERMISSION_DENIED)


def _already_subscribed() -> CommandError:
    return CommandError(ErrorCode.ALREADY_SUBSCRIBED, "already subscribed: its events come to their user by themselves")


def _is_among(who: Word, user: str) -> bool:
    return who == "everybody" or (who == "users" and user != "")


def _patterns(where: str, listed: object) -> tuple[str, ...]:
    if not isinstance(listed, list | tuple) or len(listed) > MAX_PATTERNS:
        raise wrong(where, f"a list of at most {MAX_PATTERNS} patterns", listed)
    for index, pattern in enumerate(listed):
        if not isinstance(pattern, str):
            raise wrong(f"{where}[{index}]", "a channel's name or pattern", pattern)
        try:
            check_template(pattern)
        except ChannelError as error:
            raise ValueError(f"{where}[{index}]: {error}") from None
    return tuple(listed)
