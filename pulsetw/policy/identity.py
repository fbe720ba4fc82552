"""Who a client is."""

from typing import Literal

from pulsetw.errors import Disconnect, DisconnectCode

Anonymous = bool | Literal["named"]

MAX_USER_CHARACTERS = 200


def identify(anonymous: Anonymous, claimed_user: str | None) -> str:
    """The client's user; "" is an anonymous one.

    Args:
        anonymous: whether clients may come in without a token; ``named`` believes the user that they claim to be.
        claimed_user: what ``?user=`` says; None and "" = nothing.

    Raises:
        Disconnect: the client may not come in.
    """
    if not anonymous:
        raise Disconnect(DisconnectCode.UNAUTHORIZED, "anonymous clients may not come in (auth.anonymous)")
    if not claimed_user:
        return ""
    if anonymous != "named":
        raise Disconnect(DisconnectCode.UNAUTHORIZED, '?user= is believed only where auth.anonymous = "named"')
    if len(claimed_user) > MAX_USER_CHARACTERS or not claimed_user.isprintable():
        raise Disconnect(DisconnectCode.BAD_REQUEST, f"?user= takes 1 to {MAX_USER_CHARACTERS} printable characters")
    return claimed_user
