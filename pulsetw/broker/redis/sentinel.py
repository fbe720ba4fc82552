"""The way to the master that Sentinel names, asked for anew before each connection."""

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IAddress, IProtocolFactory, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from zope.interface import implementer

from pulsetw.broker.redis.options import RedisOptions
from pulsetw.broker.redis.protocol import Connection, connection_class
from pulsetw.broker.redis.replies import ErrorReply, NoReply

Address = tuple[str, int]


class NoMaster(Exception):
    """No Sentinel named a master.

    Attributes:
        asked: how many Sentinels were asked.
        last: what was wrong with the last of them.
    """

    def __init__(self, service: str, asked: int, last: str) -> None:
        super().__init__(service, asked, last)
        self.service = service
        self.asked = asked
        self.last = last

    def __str__(self) -> str:
        return f"none of the {self.asked} Sentinels asked names a master of {self.service!r}; the last: {self.last}"


class _Unfit(Exception):
    """This Sentinel's answer is of no use; the text says why."""


@implementer(IStreamClientEndpoint)
class SentinelEndpoint:
    """Connects to the master of the moment.

    Both links share one, and each connection asks again: a deposed master stays writable. When one link is led to
    another master, the other link is cut, so that it asks, too.
    """

    def __init__(
        self, clock: IReactorTime, options: RedisOptions, way_to: Callable[[str, int], IStreamClientEndpoint]
    ) -> None:
        """An endpoint that asks nobody yet.

        Args:
            clock: for the limits.
            options: the Sentinels, their credentials, the service. Each Sentinel has `connect_timeout_s` for all.
            way_to: the endpoint of a host and a port; used for Sentinels and masters alike.
        """
        self._clock = clock
        self._options = options
        self._way_to = way_to
        self._sentinels = list(options.sentinels)
        self._connected: WeakKeyDictionary[Any, Address] = WeakKeyDictionary()

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:  # noqa: N803 -- Twisted's name
        """Fires with the protocol; fails with `NoMaster`, or as the master's own endpoint does."""
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    def misled(self) -> None:
        """What was named last is of no use, say a replica: the Sentinel that named it is asked last from now on."""
        self._sentinels.append(self._sentinels.pop(0))

    async def _connect(self, factory: IProtocolFactory) -> Any:
        master = await self._master()
        try:
            protocol: Any = await self._way_to(*master).connect(factory)
        except Exception:
            self.misled()
            raise
        # A link that stands would stay on a deposed master: what is published there reaches nobody, and is accepted.
        others = [each for each, address in self._connected.items() if address != master]
        self._connected[protocol] = master
        for other in others:
            del self._connected[other]
            other.transport.abortConnection()
        return protocol

    async def _master(self) -> Address:
        sentinels, last = list(self._sentinels), ""
        for sentinel in sentinels:
            limit_s = self._options.connect_timeout_s
            try:
                master = await Deferred.fromCoroutine(self._ask(sentinel)).addTimeout(limit_s, self._clock)
            except CancelledError:
                raise
            except DeferredTimeout:
                last = f"no answer within {limit_s:g} s"
            except Exception as error:  # noqa: BLE001 -- whatever is wrong with one, the next is asked
                last = self._discreet(str(error) or type(error).__name__)
            else:
                self._sentinels.remove(sentinel)
                self._sentinels.insert(0, sentinel)
                return master
            last = f"{sentinel[0]}:{sentinel[1]}: {last}"
        raise NoMaster(self._options.service, len(sentinels), last)

    async def _ask(self, sentinel: Address) -> Address:
        questions = _Questions(self._clock)
        connection: Any = await self._way_to(*sentinel).connect(questions)
        try:
            user, password = self._options.sentinel_user, self._options.sentinel_password
            if user:
                await connection.ask("AUTH", user, password)
            elif password:
                await connection.ask("AUTH", password)
            answer = await connection.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._options.service)
        except ErrorReply as error:
            raise _Unfit(f"it answered {error.message}") from None
        except NoReply:
            raise _Unfit(questions.trouble) from None
        finally:
            connection.abort()
        return _address(answer)

    def _discreet(self, text: str) -> str:
        # A server that does not know AUTH repeats its arguments.
        password = self._options.sentinel_password
        return text.replace(password, "***") if password else text


def _address(answer: object) -> Address:
    if answer is None:
        raise _Unfit("it does not know this service")
    if not isinstance(answer, list) or len(answer) != 2:
        raise _Unfit("its answer is no address")
    host, port = (bytes(part).decode("ascii", "replace") if isinstance(part, bytes) else "" for part in answer)
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise _Unfit("its answer is no address")
    return host, int(port)


class _Questions(Factory):
    """Makes the short-lived connection to a Sentinel, and owns it; what is asked on it fails by itself.

    Attributes:
        trouble: why the connection ended before it was answered, in words; "" = it has not.
    """

    noisy = False

    def __init__(self, clock: IReactorTime) -> None:
        self.trouble = ""
        self._clock = clock

    def buildProtocol(self, addr: IAddress | None) -> Any:  # noqa: ARG002, N802 -- Twisted's name
        return connection_class()(self._clock, self, False)

    def pushed(self, push: list[Any]) -> None:
        """Nothing is subscribed to."""

    def gathering(self, *, is_on: bool) -> None:
        """Nothing comes of which there could be many."""

    def broken(self, connection: Connection, reason: str) -> None:
        """Ends it."""
        self.trouble = reason
        connection.abort()

    def lost(self, connection: Connection, why: Failure) -> None:  # noqa: ARG002 -- there is only one
        """Keeps the reason, such as a certificate that was refused: what was asked fails without one."""
        self.trouble = self.trouble or f"the connection was lost: {why.getErrorMessage()}"
