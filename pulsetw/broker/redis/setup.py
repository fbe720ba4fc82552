"""What is said on every new connection before anything else."""

import re
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime

from pulsetw.broker.redis.options import RedisOptions
from pulsetw.broker.redis.protocol import Connection, Word
from pulsetw.broker.redis.replies import ErrorReply

OLDEST_VERSION = (7, 0)


class SetUpFailed(Exception):
    """A connection that cannot be used; its text says why, for an operator."""


async def set_up(connection: Connection, options: RedisOptions, client_name: str, clock: IReactorTime) -> None:
    """Says who we are and checks who answers: AUTH, SELECT, CLIENT SETNAME, HELLO. Each step has its limit.

    HELLO tells version and role in one answer, and needs less of an ACL than INFO and ROLE would.

    Args:
        connection: new, nothing asked yet.
        options: credentials, database and the limit of each step.
        client_name: shown by CLIENT LIST; what Redis does not allow there is replaced.
        clock: for the limits.

    Raises:
        SetUpFailed: a step was refused or not answered, or the server is too old or a replica.
        NoReply: the connection ended.
    """
    ask = _Asking(connection, options, clock)
    if options.user:
        await ask("AUTH", options.user, options.password)
    elif options.password:
        await ask("AUTH", options.password)
    if options.db:
        await ask("SELECT", options.db)
    await ask("CLIENT", "SETNAME", re.sub(r"[^!-~]", "_", client_name))
    check_server(await ask("HELLO", 2))


async def within(waited: Deferred[Any], limit_s: float, clock: IReactorTime, late: str) -> Any:
    """What `waited` fires with.

    Raises:
        SetUpFailed: with the text `late`: it took longer than `limit_s` seconds.
    """
    try:
        return await waited.addTimeout(limit_s, clock)
    except DeferredTimeout:
        raise SetUpFailed(late) from None


def check_server(hello: Any) -> None:
    """Looks at the answer to HELLO: names and values in turn.

    Raises:
        SetUpFailed: the server is older than 7.0, or no master.
    """
    answer = dict(zip(hello[::2], hello[1::2], strict=False)) if isinstance(hello, list) else {}
    version = bytes(answer.get(b"version", b"")).decode("ascii", "replace")
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers < OLDEST_VERSION:
        raise SetUpFailed(f"Redis 7.0 or newer is needed, this one is {version or 'of unknown version'}")
    role = bytes(answer.get(b"role", b"")).decode("ascii", "replace")
    if role != "master":
        raise SetUpFailed(f"a master is needed, this Redis is a {role}")


class _Asking:
    """Asks one thing after the other, each within the limit, and says which one went wrong."""

    def __init__(self, connection: Connection, options: RedisOptions, clock: IReactorTime) -> None:
        self._connection = connection
        self._options = options
        self._clock = clock

    async def __call__(self, command: str, *words: Word) -> object:
        limit_s = self._options.reply_timeout_s
        late = f"Redis did not answer {command} within {limit_s:g} s"
        try:
            return await within(self._connection.ask(command, *words), limit_s, self._clock, late)
        except ErrorReply as error:
            if command == "HELLO" and error.message.startswith("ERR unknown command"):
                raise SetUpFailed("Redis 7.0 or newer is needed, this one does not know HELLO") from None
            raise SetUpFailed(f"Redis refused {command}: {self._discreet(error.message)}") from None

    def _discreet(self, text: str) -> str:
        # A server that does not know AUTH repeats its arguments.
        return text.replace(self._options.password, "***") if self._options.password else text
