"""Who is here by name, and the events that are for single users: on all of their connections, without subscribing."""

from collections import deque

from attrs import frozen

from pulsetw.hub.connection import Connection
from pulsetw.hub.counts import Counts
from pulsetw.hub.slices import IsOver, Slices, never
from pulsetw.interfaces import Wire
from pulsetw.model import Publication

# So many events may wait for their turn; then it is not put off.
_MAX_WAITING = 1000


@frozen
class _Personal:
    publication: Publication
    user: str
    compress: bool


class Users:
    """The connections of each user. They have no cursor in the channels of these events."""

    def __init__(self, slices: Slices, counts: Counts) -> None:
        """Nobody is here.

        Args:
            slices: gives the turns.
            counts: what is delivered is counted there.
        """
        self._slices = slices
        self._counts = counts
        self._connections: dict[str, dict[Connection, None]] = {}
        self._waiting: deque[_Personal] = deque()

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, connection: Connection) -> None:
        """It has come in; one without a name is nobody's."""
        if connection.user:
            self._connections.setdefault(connection.user, {})[connection] = None

    def remove(self, connection: Connection) -> None:
        """It is gone."""
        of_user = self._connections.get(connection.user)
        if of_user is not None:
            of_user.pop(connection, None)
            if not of_user:
                del self._connections[connection.user]

    def connections(self, user: str) -> tuple[Connection, ...]:
        """All connections of one user."""
        return tuple(self._connections.get(user, ()))

    def everybody(self) -> list[Connection]:
        """All connections that have a name."""
        return [each for of_user in self._connections.values() for each in of_user]

    def give(self, publication: Publication, user: str, *, compress: bool) -> None:
        """Sends a publication to one user, in its turn; a user who is not here costs nothing."""
        if user not in self._connections:
            return
        self._waiting.append(_Personal(publication, user, compress))
        if len(self._waiting) > _MAX_WAITING:
            self.flush()
        else:
            self._slices.add(self, self._send_some)

    def flush(self) -> None:
        """Sends all that waits, now."""
        self._send_some(self, never)

    def _send_some(self, _: object, is_over: IsOver) -> bool:
        while self._waiting:
            self._send(self._waiting.popleft())
            if is_over():
                break
        return not self._waiting

    def _send(self, personal: _Personal) -> None:
        publication = personal.publication
        encoded: dict[Wire, bytes] = {}
        for connection in self.connections(personal.user):
            if publication.exclude and connection.client == publication.exclude:
                continue
            data = encoded.get(connection.wire)
            if data is None:
                data = encoded[connection.wire] = connection.wire.publication(publication, compress=personal.compress)
            if connection.push(publication.channel, data):
                self._counts.deliveries += 1
