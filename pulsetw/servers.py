"""How relays speak to each other on `system:events`: who is there, and whom to disconnect."""

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from pulsetw.catalogue.builtin import (
    SYSTEM_EVENTS,
    DisconnectPlayer,
    ServerHeartbeat,
    ServerStarted,
    ServerStopping,
)
from pulsetw.errors import MAX_REASON_BYTES, Disconnect, DisconnectCode
from pulsetw.hub.hub import Hub
from pulsetw.model import Event
from pulsetw.pubsub.manager import PubSubManager
from pulsetw.version import __version__

HEARTBEAT_S = 10.0


class Servers:
    """Announces this server, and obeys what is said to all of them."""

    _log = Logger()

    def __init__(self, pubsub: PubSubManager, hub: Hub, clock: IReactorTime) -> None:
        """Silent until `start`."""
        self._pubsub = pubsub
        self._hub = hub
        self._clock = clock
        self._started_at = clock.seconds()
        self._heartbeats = LoopingCall(self._beat)
        self._heartbeats.clock = clock

    def listen(self) -> Deferred[None]:
        """Obeys from now on; fires when nothing is missed any more."""
        return self._pubsub.subscribe(SYSTEM_EVENTS, self._heard, own=True)

    def start(self) -> None:
        """Says that clients are accepted, and that this server lives, every 10 s."""
        self._say(ServerStarted(self._pubsub.server_id, __version__))
        self._heartbeats.start(HEARTBEAT_S, now=False).addErrback(
            lambda failure: self._log.failure("No more heartbeats", failure)
        )

    def stop(self) -> Deferred[None]:
        """Says that this server leaves; fires when that is said, or could not be."""
        if self._heartbeats.running:
            self._heartbeats.stop()
        return self._say(ServerStopping(self._pubsub.server_id))

    def _beat(self) -> None:
        uptime_s = int(self._clock.seconds() - self._started_at)
        connections = self._hub.stats()["connections"]
        self._say(ServerHeartbeat(self._pubsub.server_id, __version__, uptime_s, connections))

    def _say(self, event: object) -> Deferred[None]:
        # A failure is counted by the publisher, and the state of the broker has its own log lines.
        return self._pubsub.publish(SYSTEM_EVENTS, event).addBoth(lambda _: None)

    def _heard(self, channel: str, event: Event) -> None:  # noqa: ARG002 -- a callback's arguments
        if isinstance(event.data, DisconnectPlayer):
            reason = event.data.reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
            count = self._hub.disconnect_user(event.data.player_id, Disconnect(DisconnectCode.KICKED, reason))
            self._log.info(
                "{count} connections of {player!r} were ended: {reason!r}",
                count=count,
                player=event.data.player_id[:200],
                reason=reason,
            )
