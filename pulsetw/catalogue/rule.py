"""What a channel or a namespace keeps and allows."""

from typing import Literal

from attrs import frozen

Who = Literal["nobody", "everybody", "users"]
Ack = Literal["fast", "durable", "window"]
Slow = Literal["catch_up", "latest", "disconnect"]
Outage = Literal["fail", "local"]


@frozen
class History:
    """What the broker keeps of one channel.

    Attributes:
        size: the newest publications, 1 to 100 000.
        age_s: how long after its last publication the log is kept, in seconds, 1 to 2 592 000 (30 days).
        ack: when a publish has succeeded: ``fast``, the broker has it; ``durable``, one replica has it, too;
            ``window``, the broker has it, and this server publishes it again if that master dies before a replica has
            it.
        mirror: whether a copy goes to whoever speaks to the broker without a relay between.
    """

    size: int
    age_s: int = 300
    ack: Ack = "fast"
    mirror: bool = False


@frozen
class Rule:
    """What one channel, or each channel of a namespace, keeps, and allows its clients.

    Attributes:
        subscribe: who may subscribe; ``users`` are clients whose name is known.
        publish: who may publish from a client. Applications publish through their own ways in and need no rule.
        history_size: publications that are kept for those who come late or come back, 0 to 100 000; 0 = none, and
            no positions.
        history_age_s: for how long after the last publication, in seconds, 1 to 2 592 000.
        ack: see `History`.
        strict: whether subscribers are told at each failover that something may be missing; only with ``fast``: with
            the others a replica has what was acknowledged.
        mirror: whether each event also goes, without a position, to the channel's plain name on Redis, for servers
            that listen there themselves; only with a history: without, the event goes there anyway.
        slow: what a client gets that could not keep up: ``catch_up``, all that the log still has; ``latest``, the
            newest event; ``disconnect``, a good-bye.
        compress: whether events are compressed, once for all clients that take it.
        outage: what publishing does while the broker is away: ``fail``, or ``local``, which gives the event to this
            server's own clients at once and to the others when the broker is back.
    """

    subscribe: Who = "everybody"
    publish: Who = "nobody"
    history_size: int = 0
    history_age_s: int = 300
    ack: Ack = "fast"
    strict: bool = True
    mirror: bool = False
    slow: Slow = "catch_up"
    compress: bool = False
    outage: Outage = "fail"

    @property
    def tells_failovers(self) -> bool:
        """Whether a failover may have lost what was acknowledged, and subscribers want to know."""
        return self.strict and self.ack == "fast"

    @property
    def history(self) -> History | None:
        """What the broker keeps; None = nothing."""
        return History(self.history_size, self.history_age_s, self.ack, self.mirror) if self.history_size else None
