"""What is known of a message that is not read: an event's members around its data, as relays write them."""

from attrs import define, field

from pulsetw import codec
from pulsetw.client.following import Members, text

# More than all of an event but its data and tags can take: names are bounded.
_END_BYTES = 8192


def outline(head: bytes, tail: bytes) -> Members:
    """An event without its data.

    Args:
        head: how its text begins: what stands before its data is whole.
        tail: how it ends; the place in the log stands last.

    Returns:
        Its members; none = it does not look like a relay's event.
    """
    start = head.partition(b'"data":')[0] + b'"data":null'
    # Behind the members of data there would be one brace more: data cannot pose as the event's own place.
    for end in (tail[tail.rfind(b',"offset":') :], b"}"):
        try:
            members = codec.decode(start + end)
        except ValueError:
            continue
        if isinstance(members, dict) and text(members.get("channel")):
            return members
    return {}


@define
class Ends:
    """The two ends of a message that is too long to be kept."""

    _head: bytes = field(default=b"", init=False)
    _tail: bytes = field(default=b"", init=False)

    def add(self, data: bytes) -> None:
        """Its next part."""
        self._head += data[: _END_BYTES - len(self._head)]
        self._tail = (self._tail + data[-_END_BYTES:])[-_END_BYTES:]

    def outline(self) -> Members:
        """See `outline`."""
        return outline(self._head, self._tail)
