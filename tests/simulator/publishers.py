"""Those who publish, try again with the same id, and wait for an acknowledgement."""

from collections.abc import Callable

from attrs import define, field

from pulsetw.catalogue.rule import Ack


@define(eq=False)
class Publisher:
    """Publishes one event after the other.

    Attributes:
        name: begins its ids.
        ack: what it waits for.
        publish: runs the script on the master.
        answer: the script's answer has come.
        acknowledge: what it waited for has come.
        outbox: what it would publish again, oldest first.
    """

    name: str
    ack: Ack
    publish: Callable[[str], None]
    answer: Callable[[str], None]
    acknowledge: Callable[[str], None]
    outbox: list[str] = field(factory=list)
    _count: int = 0
    _sent: int = 0
    _answered: set[str] = field(factory=set)

    def act(self, chance: float) -> None:
        """Publishes the next one: of the outbox what is not sent on this connection, then a new one."""
        if self._sent >= len(self.outbox):
            if self.ack != "window" and self.outbox:
                return
            self._count += 1
            self.outbox.append(f"{self.name}{self._count}")
        if chance < 0.1:
            self.reconnect()
            return
        oldest = self.outbox[self._sent]
        self.publish(oldest)
        if chance < 0.2:
            self.reconnect()
            return
        self._sent += 1
        self.answer(oldest)
        if self.ack != "durable" and oldest not in self._answered:
            self._answered.add(oldest)
            self.acknowledge(oldest)
        if self.ack == "fast":
            self.reconnect()
            self.outbox.clear()

    def reconnect(self) -> None:
        """What is in the outbox goes out again, in order, before anything new."""
        self._sent = 0

    def give_up(self) -> None:
        """Forgets an event that was never acknowledged."""
        if self.ack == "fast" or (self.ack == "durable" and not self._sent):
            self.outbox.clear()

    def replicated(self) -> None:
        """The replica has all that was sent on this connection (WAIT)."""
        done, self.outbox = self.outbox[: self._sent], self.outbox[self._sent :]
        self._sent = 0
        if self.ack == "durable":
            for covered in done:
                self.acknowledge(covered)

    @property
    def is_idle(self) -> bool:
        """Whether everything went out."""
        return self._sent >= len(self.outbox)
