"""What a channel or a namespace allows."""

from typing import Literal

from attrs import frozen

Who = Literal["nobody", "everybody", "users"]


@frozen
class Rule:
    """What one channel, or each channel of a namespace, allows its clients.

    Attributes:
        subscribe: who may subscribe; ``users`` are clients whose name is known.
        publish: who may publish from a client. Applications publish through their own ways in and need no rule.
    """

    subscribe: Who = "everybody"
    publish: Who = "nobody"
