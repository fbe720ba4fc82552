"""What Redis's error replies mean."""

# States of the server that pass by themselves, a failover or an operator's work among them.
_TEMPORARY = frozenset(
    {
        "BUSY",
        "CLUSTERDOWN",
        "LOADING",
        "MASTERDOWN",
        "MISCONF",
        "NOAUTH",
        "NOREPLICAS",
        "OOM",
        "READONLY",
        "TRYAGAIN",
        "UNBLOCKED",
        "WRONGPASS",
    }
)
# The server is fine, this connection to it is not: it was demoted, or it forgot who we are.
_RENEW = frozenset({"NOAUTH", "READONLY", "WRONGPASS"})


class NoReply(Exception):
    """The connection ended before the answer came."""


class ErrorReply(Exception):
    """Redis answered a command with an error.

    Attributes:
        message: the whole text, such as ``OOM command not allowed when used memory > 'maxmemory'.``
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def code(self) -> str:
        """Its first word, in capitals by convention."""
        return self.message.partition(" ")[0]

    @property
    def temporary(self) -> bool:
        """Whether the same command may succeed a little later."""
        return self.code in _TEMPORARY

    @property
    def renew(self) -> bool:
        """Whether only another connection can succeed."""
        return self.code in _RENEW

    def __str__(self) -> str:
        return self.message
