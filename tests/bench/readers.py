"""Slow clients in a process of their own: what their reading costs is not on the clock of the others."""

import json
import select
import subprocess
import sys
from time import monotonic
from typing import Any

from tests.bench.client import Client, Crowd
from tests.integration.processes import ROOT


class Readers:
    """The process, as it is seen from outside: one line for each step, none of which waits.

    Args:
        port: the relay's.
        channel: they all subscribe to it.
        count: how many they are.
        receive_buffer: of each, in bytes.
    """

    def __init__(self, port: int, channel: str, count: int, receive_buffer: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(port), channel, str(count), str(receive_buffer)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    @property
    def has_said(self) -> bool:
        """Whether there is a line, or the end."""
        assert self._process.stdout is not None
        return bool(select.select([self._process.stdout], [], [], 0)[0])

    def said(self) -> Any:
        """The next line: all are subscribed and do not read; or all have what they were to read, and how it went."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the slow clients have failed"
        return json.loads(line)

    def read(self, offset: int) -> None:
        """They read from now on; they say so when all have got so far."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"%d\n" % offset)
        self._process.stdin.flush()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def _main(port: int, channel: str, count: int, receive_buffer: int) -> None:
    crowd = Crowd()
    clients = [Client(port, (channel,), receive_buffer) for _ in range(count)]
    crowd.gather(clients)
    for client in clients:
        crowd.read(client, wanted=False)
    _say({"standing": count})
    for line in sys.stdin:
        top, start = int(line), monotonic()
        behind = sum(client.places[channel].offset < top for client in clients)
        for client in clients:
            crowd.read(client, wanted=True)

        def is_there(client: Client, top: int = top) -> bool:
            return client.places[channel].offset >= top

        crowd.run(lambda: all(map(is_there, clients)), "all have all")
        _say(
            {
                "behind": behind,
                "seconds": monotonic() - start,
                "told": sum(bool(client.gaps) for client in clients),
                "faults": [fault for client in clients for fault in client.faults],
            }
        )


def _say(document: object) -> None:
    sys.stdout.write(f"{json.dumps(document)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
