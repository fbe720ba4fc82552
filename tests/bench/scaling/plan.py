"""From a load and measured costs to what each relay process, machine and Redis has to bear. Pure."""

from attrs import evolve, fields, frozen

from pulsetw.broker.redis.history import ID_TTL_MS
from pulsetw.broker.redis.options import RedisOptions
from pulsetw.servers import HEARTBEAT_S
from tests.bench.scaling.arithmetic import Line, cores, line, of, over, rounded
from tests.bench.scaling.figures import Figures
from tests.bench.scaling.load import Load

FULL = 0.7
"""So much of a core: above it, what comes unevenly has to wait."""

_FRAME_BYTES = 70
"""Ethernet, IP, TCP with its timestamps, and the WebSocket frame's head."""

_PORTS = 28_232
"""One address has so many of its own towards one address and port (net.ipv4.ip_local_port_range of Linux)."""

_RINGS_GIB = 0.25
"""limits.rings_bytes."""

_OWN_DESCRIPTORS = 64
_SLOW_KIB = 64 + 128
"""A client that does not read: limits.unsent_bytes, and twice the SO_SNDBUF of pulsetw.ports in the kernel."""

_LINK = RedisOptions()
_PROBES_PER_S = 1 / _LINK.heartbeat_s
_READS_AT_ONCE = 32
"""Of a relay process, where many logs are to be read (pulsetw.broker.redis.reader)."""

_BUFFER_BYTES = 32 * 2**20
"""Redis cuts a subscriber off that has so much unread (client-output-buffer-limit pubsub)."""

_MOST_FLEETS = 1000


@frozen
class Check:
    """Whether something is enough.

    Attributes:
        alone: what is used, each event on its own.
        joined: the same where events come so fast that they go out together.
    """

    what: str
    alone: float
    joined: float
    limit: float
    unit: str

    @property
    def verdict(self) -> str:
        if self.alone <= self.limit:
            return "enough"
        return "only where events go out together" if self.joined <= self.limit else "TOO LITTLE"


@frozen
class Process:
    """A relay process, which has one core."""

    connections: Line
    channels: Line
    deliveries: Line
    events: Line
    alone: Line
    joined: Line


@frozen
class Machine:
    """A machine with relays."""

    memory: Line
    network: Line
    descriptors: Line
    addresses: Line
    posts: Line


@frozen
class Redis:
    """One Redis, of one fleet; it has one core."""

    followers: Line
    subscriptions: Line
    copies: Line
    alone: Line
    joined: Line
    network: Line
    memory: Line
    patience: Line


@frozen
class Storm:
    """All clients of a fleet are cut off and come back."""

    handshakes: Line
    missed: Line
    process: Line
    shortest: Line
    reads: Line
    redis: Line
    redis_shortest: Line
    redis_wait: Line


@frozen
class Plan:
    """What a fleet has to bear.

    Attributes:
        fleets: the fewest for which each Redis is enough; 0 = not even a thousand are.
    """

    load: Load
    process: Process
    machine: Machine
    redis: Redis
    storm: Storm
    checks: tuple[Check, ...]
    fleets: int

    @property
    def parts(self) -> dict[str, list[Line]]:
        """The steps, by what they are about."""
        return {
            title: [getattr(part, each.name) for each in fields(type(part))]
            for title, part in (
                ("a relay process", self.process),
                ("a machine", self.machine),
                ("Redis", self.redis),
                ("all come back", self.storm),
            )
        }


def plan(load: Load, figures: Figures) -> Plan:
    """What a fleet has to bear, one of `load.fleets` equal ones."""
    fleet = load.fleet()
    process, machine = _process(fleet, figures), _machine(fleet, figures)
    redis, storm = _redis(fleet, figures), _storm(fleet, figures)
    checks = (
        *_relay_checks(fleet, figures, process, machine, storm),
        *_redis_checks(fleet, redis, storm),
    )
    enough = (number for number in range(1, _MOST_FLEETS + 1) if _is_enough(evolve(load, fleets=number), figures))
    return Plan(load, process, machine, redis, storm, checks, next(enough, 0))


def _is_enough(load: Load, figures: Figures) -> bool:
    fleet = load.fleet()
    checks = _redis_checks(fleet, _redis(fleet, figures), _storm(fleet, figures))
    return all(check.alone <= check.limit for check in checks)


def _process(load: Load, figures: Figures) -> Process:
    connections = line("connections", "", over(of(load.clients), load.processes))
    deliveries = line(
        "deliveries a second", "", over(of(load.events_per_s, load.subscribers_per_channel), load.processes)
    )
    events = line("events a second that it gets", "", over(of(load.events_per_s, load.followers), load.processes))
    channels = line("channels that it follows", "", over(of(load.channels, load.followers), load.processes))
    # What every event costs once, pings, clients that come, and what each relay tells all others of itself.
    rest = (
        of(events.value, figures.receive_us(has_history=load.history_size > 0)),
        of(connections.value, figures.ping_us),
        over(of(connections.value, _handshake_us(load, figures)), load.stay_s),
        over(of(channels.value, figures.follow_us), load.stay_s),
        over(of(load.processes, figures.receive_us(has_history=False)), HEARTBEAT_S),
    )
    alone, joined = (
        cores(f"CPU, {what}", of(deliveries.value, each_us), *rest)
        for what, each_us in (("events alone", figures.alone_us), ("events together", figures.joined_us))
    )
    return Process(connections, channels, deliveries, events, alone, joined)


def _machine(load: Load, figures: Figures) -> Machine:
    clients = load.clients / load.machines
    kib = (figures.tls_connection_kib if load.tls else figures.connection_kib) + figures.kernel_kib
    memory = line(
        "memory",
        "GiB",
        over(of(clients, kib), 2**20),
        over(of(clients, load.slow_percent, _SLOW_KIB), 100, 2**20),
        over(of(load.processes_each, figures.process_mib), 1024),
        over(of(load.channels * load.followers / load.machines, figures.channel_kib), 2**20),
        of(_RINGS_GIB),
    )
    deliveries = load.events_per_s * load.subscribers_per_channel / load.machines
    network = line("network", "Mbit/s", over(of(deliveries, load.event_bytes + _FRAME_BYTES, 8), 1e6))
    descriptors = line("descriptors of a process", "", over(of(load.clients), load.processes), of(_OWN_DESCRIPTORS))
    addresses = line("pairs of address and port behind a load balancer", "", over(of(clients), _PORTS))
    posts = cores(
        "CPU of the operator's port, a POST for each event", over(of(load.events_per_s, figures.post_us), load.machines)
    )
    return Machine(memory, network, descriptors, addresses, posts)


def _redis(load: Load, figures: Figures) -> Redis:
    processes, each = load.processes, rounded(load.processes)
    followers = Line(
        "relay processes that get an event",
        f"{each} x (1 - (1 - 1 / {each})^{rounded(load.subscribers_per_channel)})",
        load.followers,
    )
    subscriptions = line("subscriptions", "", of(load.channels, followers.value))
    publish_us = figures.append_us if load.history_size else figures.publish_us
    announced = over(of(processes, processes), HEARTBEAT_S)
    copies = line(
        "copies a second, with what relays tell each other",
        "",
        of(load.events_per_s, followers.value),
        announced,
        of(processes, _PROBES_PER_S),
    )
    # A probe is a small script, counted as a large one.
    rest = (
        of(load.events_per_s, publish_us),
        over(of(subscriptions.value, figures.read_us if load.history_size else 0), load.stay_s),
        of(processes, _PROBES_PER_S, figures.append_us),
    )
    alone, joined = (
        cores(f"CPU, {what}", of(copies.value, each_us), *rest)
        for what, each_us in (("events alone", figures.copy_alone_us), ("events together", figures.copy_joined_us))
    )
    network = line("network", "Mbit/s", over(of(copies.value, load.event_bytes + _FRAME_BYTES, 8), 1e6))
    kept = load.event_bytes + figures.kept_bytes - 200
    memory = line(
        "memory for full logs, and ids of two minutes",
        "GiB",
        over(of(load.channels, load.history_size, kept), 2**30),
        over(of(load.channels if load.history_size else 0, figures.log_bytes), 2**30),
        over(of(load.events_per_s if load.history_size else 0, ID_TTL_MS / 1000, figures.id_bytes), 2**30),
    )
    taken = load.events_per_s * followers.value / processes * load.event_bytes
    patience = line("a relay that stands still is cut off after", "s", over(of(_BUFFER_BYTES), taken))
    return Redis(followers, subscriptions, copies, alone, joined, network, memory, patience)


def _storm(load: Load, figures: Figures) -> Storm:
    connections = load.clients / load.processes
    channels = load.channels * load.followers / load.processes
    missed_each = min(load.history_size, load.events_per_s / load.channels * load.reconnect_s)
    missed = Line(
        "events that a client missed",
        f"{rounded(load.events_per_s / load.channels)} x {rounded(load.reconnect_s)}, at most {load.history_size}",
        missed_each,
    )
    work = (
        of(connections, _handshake_us(load, figures)),
        of(channels, figures.follow_us),
        of(connections, load.channels_per_client, missed_each, figures.joined_us),
    )
    reads = line("reads of logs", "", of(load.channels, load.followers, figures.reads if load.history_size else 0))
    read_us = figures.read_us + missed_each * (figures.read_100_us - figures.read_us) / 100
    answered = of(reads.value, read_us)
    at_once = min(reads.value, load.processes * _READS_AT_ONCE)
    return Storm(
        line("handshakes a second of a process", "", over(of(connections), load.reconnect_s)),
        missed,
        cores("CPU of a process", *(over(each, load.reconnect_s) for each in work)),
        line("a process needs at least", "s", *(over(each, 1e6, FULL) for each in work)),
        reads,
        cores("CPU of Redis", over(answered, load.reconnect_s)),
        line("Redis needs at least", "s", over(answered, 1e6, FULL)),
        line("a heartbeat waits for reads at most", "s", over(of(at_once, read_us), 1e6)),
    )


def _relay_checks(load: Load, figures: Figures, process: Process, machine: Machine, storm: Storm) -> tuple[Check, ...]:
    checks = [
        Check("a relay's core", process.alone.value, process.joined.value, FULL, "cores"),
        _check("a machine's memory", machine.memory.value, load.memory_gib, "GiB"),
        _check("the operator's port", machine.posts.value, FULL, "cores"),
        _check("a machine's network", machine.network.value, load.gbit * 1000, "Mbit/s"),
        Check(
            "a relay's core while all come back",
            process.alone.value + storm.process.value,
            process.joined.value + storm.process.value,
            1,
            "cores",
        ),
    ]
    if load.machines > 1:
        fewer = evolve(load, machines=load.machines - 1, workers=load.processes_each)
        left = _process(fewer, figures)
        checks += [
            Check("a relay's core, a machine less", left.alone.value, left.joined.value, FULL, "cores"),
            _check("a machine's memory, a machine less", _machine(fewer, figures).memory.value, load.memory_gib, "GiB"),
        ]
    return tuple(checks)


def _redis_checks(load: Load, redis: Redis, storm: Storm) -> tuple[Check, ...]:
    return (
        Check("the core of Redis", redis.alone.value, redis.joined.value, FULL, "cores"),
        _check("memory of Redis", redis.memory.value, load.redis_gib, "GiB"),
        _check("network of Redis", redis.network.value, load.gbit * 1000, "Mbit/s"),
        Check(
            "the core of Redis while all come back",
            redis.alone.value + storm.redis.value,
            redis.joined.value + storm.redis.value,
            1,
            "cores",
        ),
        _check("a heartbeat while all come back", storm.redis_wait.value, _LINK.reply_timeout_s, "s"),
    )


def _check(what: str, used: float, limit: float, unit: str) -> Check:
    return Check(what, used, used, limit, unit)


def _handshake_us(load: Load, figures: Figures) -> float:
    return figures.tls_handshake_us if load.tls else figures.handshake_us
