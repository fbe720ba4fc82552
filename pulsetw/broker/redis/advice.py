"""What an operator should know of a Redis that works, but does not keep all that the rules of channels promise."""

import re
from collections.abc import Collection

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from pulsetw.broker.redis.options import RedisOptions
from pulsetw.broker.redis.protocol import Connection, Word
from pulsetw.broker.redis.replies import ErrorReply, NoReply
from pulsetw.broker.redis.scripts import PROBE
from pulsetw.catalogue.rule import Ack
from pulsetw.model import UNKNOWN_BRANCH

_UNGUARDED = (
    "the master has replicas and min-replicas-to-write is 0: cut off from them it goes on taking events, which are lost"
    " after the failover; set min-replicas-to-write 1 and min-replicas-max-lag 2"
)
_UNKNOWN = (
    "this Redis tells neither its replication id nor its run id, so a failover looks like any lost connection: strict"
    " channels with a history say at each one that events may be missing, others may lose some without a word; use a"
    " Redis whose INFO has master_replid or run_id"
)
_connected_replicas = re.compile(rb"^connected_slaves:(\d+)", re.MULTILINE)


class Advisor:
    """Looks at each server that the publisher is connected to, and warns of what it finds there and not before."""

    _log = Logger()

    def __init__(self, options: RedisOptions, acks: Collection[Ack]) -> None:
        """Has looked at nothing yet.

        Args:
            options: the URL for the log, the bounds of what is kept, and whether Sentinels watch.
            acks: what the rules of channels with a history ask for; none = no channel has one.
        """
        self._options = options
        self._acks = acks
        self._found: list[str] = []

    def look(self, connection: Connection) -> None:
        """Asks a server that can be used, and warns later. What an ACL or a loss keeps from us is not warned of."""
        looking = Deferred.fromCoroutine(self._look(connection))
        looking.addErrback(lambda failure: self._log.failure("looking at Redis failed in our own code", failure))

    async def _look(self, connection: Connection) -> None:
        try:
            found = await self._weaknesses(connection)
        except NoReply:
            return
        before, self._found = self._found, found
        for weakness in found:
            if weakness not in before:
                self._log.warn("{url}: {weakness}", url=self._options.display_url, weakness=weakness)

    async def _weaknesses(self, connection: Connection) -> list[str]:
        found = []
        if self._acks and await _asked(connection, "EVAL", PROBE, 0) == UNKNOWN_BRANCH.encode():
            found.append(_UNKNOWN)
        needs_replica = any(ack != "fast" for ack in self._acks)
        if needs_replica or self._options.sentinels:
            has_replicas = _has_replicas(await _asked(connection, "INFO", "replication"))
            if needs_replica and has_replicas is False:
                found.append(self._without_replica())
            if self._options.sentinels and has_replicas:
                setting = await _asked(connection, "CONFIG", "GET", "min-replicas-to-write")
                if setting == [b"min-replicas-to-write", b"0"]:
                    found.append(_UNGUARDED)
        return found

    def _without_replica(self) -> str:
        effects = {
            "durable": 'each publish with ack = "durable" fails',
            "window": 'events with ack = "window" are kept in this relay\'s memory, and past'
            f" {self._options.max_in_flight} of them or {self._options.max_in_flight_bytes} bytes more are refused",
        }
        told = ", and ".join(effect for ack, effect in effects.items() if ack in self._acks)
        return f'the master has no replica: until it has one, {told}; attach a replica, or set ack = "fast"'


async def _asked(connection: Connection, *words: Word) -> object:
    """The answer; None where Redis refuses it, as managed ones often do."""
    try:
        return await connection.ask(*words)
    except ErrorReply:
        return None


def _has_replicas(info: object) -> bool | None:
    """Whether the master that answered has replicas; None = it does not say."""
    found = _connected_replicas.search(info) if isinstance(info, bytes) else None
    return None if found is None else int(found[1]) > 0
