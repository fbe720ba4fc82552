"""Runs one workload against one server that is up."""

import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.load.programs import compiled
from tests.bench.load.workloads import Result, Workload
from tests.bench.peers.server import Server

# What one address may hold open, with room to spare: ports are finite, and relays may bound it.
_CONNECTIONS_PER_ADDRESS = 500
# Connecting, and what is still under way at the end.
_MOST_OTHER_S = 180


def run(server: Server, workload: Workload, seconds: float) -> Result:
    """What the load client says of it.

    Args:
        server: its memory at this moment is what connections are counted from.
        seconds: of publishing.

    Raises:
        RuntimeError: the load client failed, or took minutes longer.
    """
    with TemporaryDirectory(prefix="pulsetw-bench-") as folder:
        words = command(server, workload, seconds, Path(folder))
        limit_s = seconds + _MOST_OTHER_S
        try:
            ended = subprocess.run(words, capture_output=True, text=True, timeout=limit_s, check=False)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"not within {limit_s:.0f} s") from None
    if ended.returncode or not ended.stdout:
        raise RuntimeError(ended.stderr.strip()[-300:] or f"the load client ended with {ended.returncode}")
    result: Result = json.loads(ended.stdout)
    return result


def command(server: Server, workload: Workload, seconds: float, folder: Path) -> list[str]:
    """The load client and its words; it makes a file `ready` in the folder when all are subscribed."""
    contender = server.contender
    addresses = 1 + workload.connections // _CONNECTIONS_PER_ADDRESS
    words = [
        str(compiled("wsload")),
        *("-a", f"127.0.0.1:{server.port}", "-u", contender.path),
        *("-n", str(workload.connections), "-k", str(workload.channels), "-b", str(addresses)),
        *("-d", str(min(seconds, workload.max_seconds)), "-S", ",".join(map(str, server.pids()))),
        *("-R", str(server.redis_pid), "-f", str(folder / "ready")),
        *(word for text in contender.hello for word in ("-m", text)),
        *(("-e", contender.confirm) if contender.confirm else ()),
        *(("-E",) if contender.is_engine_io else ()),
    ]
    if workload.is_published:
        template = folder / "template"
        template.write_bytes(contender.template())
        words += ["-p", f"127.0.0.1:{server.publisher_port}", "-t", str(template)]
        words += ["-r", str(workload.rate)] if workload.rate else ["-W", str(workload.window)]
    return words
