"""What a client may do with a channel."""

from pulsetw.catalogue import Audience, Channel, Rule, Who
from pulsetw.errors import CommandError, ErrorCode


def check_subscribe(user: str, channel: Channel, rule: Rule) -> None:
    """Whether a client may subscribe.

    Raises:
        CommandError: it may not, or its events come to it without subscribing.
    """
    if channel.audience is Audience.USER and user:
        raise CommandError(
            ErrorCode.ALREADY_SUBSCRIBED, "already subscribed: its events come to their user by themselves"
        )
    if channel.audience is not Audience.ALL or not _is_among(rule.subscribe, user):
        raise CommandError(ErrorCode.PERMISSION_DENIED)


def check_publish(user: str, channel: Channel, rule: Rule) -> None:
    """Whether a client may publish.

    Raises:
        CommandError: it may not.
    """
    if channel.audience is Audience.SERVERS or not _is_among(rule.publish, user):
        raise CommandError(ErrorCode.PERMISSION_DENIED)


def _is_among(who: Who, user: str) -> bool:
    return who == "everybody" or (who == "users" and user != "")
