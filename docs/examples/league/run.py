"""``make run``: a relay and the league that feeds it, each a process of its own, both ended by Ctrl-C.

Ports can be chosen by RELAY_PORT (8080), ADMIN_PORT (8081) and LEAGUE_PORT (8000); PACE is the seconds between two
steps of the league. REDIS_URL and all other settings of a relay count, so that several relays can show the same league.
"""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
RELAY, ADMIN, LEAGUE = (
    int(os.environ.get(f"{name}_PORT") or port) for name, port in (("RELAY", 8080), ("ADMIN", 8081), ("LEAGUE", 8000))
)
START_LIMIT_S = 15
PORTS = "If a port is taken, choose others: make run RELAY_PORT=18080 ADMIN_PORT=18081 LEAGUE_PORT=18000"


def main() -> int:
    """Runs until Ctrl-C, or until one of the two ends by itself; the exit status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    relay = start_relay()
    league = None
    try:
        if not is_up(relay):
            print(f"The relay did not start; above it says why. {PORTS}", file=sys.stderr)
            return 1
        league = start_league()
        print(f"The relay:  ws://127.0.0.1:{RELAY}/ws?channels=match:events   for any WebSocket client", flush=True)
        print(f"Operators:  http://127.0.0.1:{ADMIN}/health/ready   Ctrl-C ends all.", flush=True)
        while relay.poll() is None and league.poll() is None:
            time.sleep(0.2)
    except KeyboardInterrupt:
        return 0
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for process in (league, relay):
            end(process)
    print(f"One of the two has ended; above it says why. {PORTS}", file=sys.stderr)
    return 1


def start_relay() -> "subprocess.Popen[bytes]":
    """``twistd -n pulsetw`` with the demo's configuration."""
    pages = " ".join(f"http://{host}:{LEAGUE}" for host in ("localhost", "127.0.0.1"))
    command = [
        *(str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "pulsetw"),
        *("--config", str(HERE / "relay.toml")),
        *("--listen", f"tcp:{RELAY}:interface=127.0.0.1"),
        *("--admin", f"tcp:{ADMIN}:interface=127.0.0.1"),
    ]
    return start(command, {**os.environ, "PULSETW_AUTH_ORIGINS": pages})


def is_up(relay: "subprocess.Popen[bytes]") -> bool:
    """Waits until the relay is ready, or as long as one likes to look at nothing; whether it lives then."""
    deadline = time.monotonic() + START_LIMIT_S
    while relay.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{ADMIN}/health/ready").close()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
        else:
            break
    return relay.poll() is None


def start_league() -> "subprocess.Popen[bytes]":
    """The league; it prints the address of its page."""
    command = [
        *(sys.executable, str(HERE / "league.py")),
        *("--relay", f"http://127.0.0.1:{ADMIN}"),
        *("--ws", f"ws://127.0.0.1:{RELAY}/ws"),
        *("--listen", f"tcp:{LEAGUE}:interface=127.0.0.1"),
        *("--pace", os.environ.get("PACE") or "1"),
    ]
    return start(command, dict(os.environ))


def start(command: list[str], environ: dict[str, str]) -> "subprocess.Popen[bytes]":
    """A process that the terminal's Ctrl-C does not reach: it is ended from here, once."""
    return subprocess.Popen(command, env=environ, start_new_session=True)  # noqa: S603 -- our own words


def end(process: "subprocess.Popen[bytes] | None") -> None:
    """Asks it to end, and sees to it."""
    if process is None:
        return
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
