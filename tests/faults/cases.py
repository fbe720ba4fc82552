"""What is broken, one case after the other; RECOVERY's list for one Redis, relays and clients.

Failovers are in `failovers`.
"""

import signal

from twisted.internet.threads import deferToThread

from pulsetw.errors import DisconnectCode
from tests.faults.case import Setting, case
from tests.faults.listeners import CHANNEL
from tests.integration.proxy import DOWN, UP
from tests.integration.waiting import until

LOG = f"pulsetw:{{{CHANNEL}}}:log"
META = f"pulsetw:{{{CHANNEL}}}:meta"


@case("nothing is broken", "none")
async def nothing(at: Setting) -> None:
    await at.world.rest(1)


@case("Redis stopped for 5 s", "redis", short=True)
async def redis_frozen(at: Setting) -> None:
    at.redis.freeze()
    await at.world.rest(5)
    at.redis.thaw()


@case("all connections to Redis reset, 5 times", "link", short=True)
async def resets(at: Setting) -> None:
    for _ in range(5):
        at.proxy.cut()
        await at.world.rest(0.7)


@case("subscribers half-open", "link", short=True)
async def half_open(at: Setting) -> None:
    for pair in at.proxy.subscribers():
        pair.silent |= {UP, DOWN}
    await at.world.rest(3)


@case("publishers half-open, answers lost", "link")
async def lost_answers(at: Setting) -> None:
    for pair in at.proxy.publishers():
        pair.silent |= {DOWN}
    await at.world.rest(3)


@case("Redis unreachable for 2 s", "link")
async def unreachable(at: Setting) -> None:
    at.proxy.silent |= {UP, DOWN}
    await at.world.rest(2)
    at.proxy.silent.clear()
    at.proxy.cut()


@case("CLIENT KILL of all subscribers", "link")
async def kill_clients(at: Setting) -> None:
    at.redis.ask("CLIENT", "KILL", "TYPE", "pubsub")
    await at.world.rest(1)


@case("Redis killed, back empty", "redis", short=True)
async def restarted_empty(at: Setting) -> None:
    at.redis.stop()
    await at.world.rest(0.5)
    at.redis.start()


@case("Redis killed, back from an old dump", "redis")
async def restarted_old(at: Setting) -> None:
    at.redis.ask("SAVE")
    await at.world.rest(1)
    at.redis.stop()
    await at.world.rest(0.5)
    at.redis.start()


@case("Redis killed, back from its append-only file", "redis", appendonly="yes", appendfsync="always")
async def restarted_aof(at: Setting) -> None:
    at.redis.stop()
    await at.world.rest(0.5)
    at.redis.start()


@case("FLUSHALL", "data", short=True)
async def flushall(at: Setting) -> None:
    at.redis.ask("FLUSHALL")
    await at.world.rest(1)


@case("the log deleted while the links are cut", "data")
async def deleted(at: Setting) -> None:
    at.proxy.cut()
    at.redis.ask("DEL", LOG)
    await at.world.rest(1)


@case("meta deleted", "data")
async def meta_deleted(at: Setting) -> None:
    at.redis.ask("DEL", META)
    await at.world.rest(1)


@case("an outage longer than the history", "data", history=20)
async def too_long(at: Setting) -> None:
    for pair in at.proxy.subscribers():
        pair.silent |= {UP, DOWN}
    await at.world.rest(2.5)


@case("SCRIPT FLUSH", "data")
async def script_flush(at: Setting) -> None:
    for _ in range(3):
        at.redis.ask("SCRIPT", "FLUSH")
        await at.world.rest(0.3)


@case("out of memory for 1 s", "data")
async def out_of_memory(at: Setting) -> None:
    at.redis.ask("CONFIG", "SET", "maxmemory", "1")
    await at.world.rest(1)
    at.redis.ask("CONFIG", "SET", "maxmemory", "0")


@case("a wrong type in the log's place for 1 s", "data")
async def wrong_type(at: Setting) -> None:
    at.redis.ask("SET", LOG, "x")
    await at.world.rest(1)
    at.redis.ask("DEL", LOG)


@case("READONLY for 1 s", "redis")
async def readonly(at: Setting) -> None:
    at.redis.ask("REPLICAOF", "127.0.0.1", "1")
    await at.world.rest(1)
    at.redis.ask("REPLICAOF", "NO", "ONE")


@case("BUSY for 3 s", "redis", busy_reply_threshold="100")
async def busy(at: Setting) -> None:
    spin = "local t = redis.call('TIME')[1] repeat until redis.call('TIME')[1] - t > 3"
    await deferToThread(at.redis.ask, "EVAL", spin, 0)


@case("a relay killed", "relay", short=True)
async def relay_killed(at: Setting) -> None:
    at.world.kill(0)
    await at.world.rest(2)
    at.world.start_again(0)


@case("a relay stopped for 4 s", "relay")
async def relay_frozen(at: Setting) -> None:
    at.world.relays[0].signal(signal.SIGSTOP)
    await at.world.rest(4)
    at.world.relays[0].signal(signal.SIGCONT)


@case("a relay told to leave", "relay")
async def relay_leaves(at: Setting) -> None:
    at.world.relays[0].signal(signal.SIGTERM)
    await at.world.relays[0].ended()
    at.world.start_again(0)


@case("clients gone without a word, 5 times", "client")
async def clients_gone(at: Setting) -> None:
    for _ in range(5):
        for listener in at.world.listeners:
            listener.hang_up()
        await at.world.rest(0.5)


@case("a subscriber's output buffer exceeded, 3 times", "link")
async def output_buffer(at: Setting) -> None:
    at.redis.ask("CONFIG", "SET", "client-output-buffer-limit", "pubsub 20000 0 0")
    for _ in range(3):
        # A stranger's message, which relays drop: it is no event.
        at.redis.ask("PUBLISH", CHANNEL, b"x" * 60_000)
        await at.world.rest(0.7)


@case("everything evicted for 1 s", "data", maxmemory_policy="allkeys-random")
async def evicted(at: Setting) -> None:
    at.redis.ask("CONFIG", "SET", "maxmemory", "1mb")
    await at.world.rest(1)
    at.redis.ask("CONFIG", "SET", "maxmemory", "0")


@case("the log expired while the links are cut", "data")
async def expired(at: Setting) -> None:
    for pair in at.proxy.subscribers():
        pair.silent |= {UP, DOWN}
    await at.world.rest(0.5)
    at.redis.ask("PEXPIRE", LOG, "1")
    await at.world.rest(1)


@case("LOADING for a while", "redis", key_load_delay="20000", loading_process_events_interval_bytes="1024")
async def loading(at: Setting) -> None:
    await at.world.rest(1)
    at.redis.ask("SAVE")
    at.redis.stop()
    await deferToThread(at.redis.start)


@case("clients stopped for 3 s", "client")
async def clients_stopped(at: Setting) -> None:
    for listener in at.world.listeners:
        listener.read(reads=False)
    await at.world.rest(3)
    for listener in at.world.listeners:
        listener.read(reads=True)


@case("clients vanish without FIN or RST", "client", proxied=True, keeps_all=True)
async def clients_vanish(at: Setting) -> None:
    """Half of them come back at once, the others when the relays have ended what they had."""
    for door in at.world.doors:
        for pair in door.pairs:
            pair.silent |= {UP, DOWN}
    for listener in at.world.listeners[::2]:
        listener.hang_up()
    await at.world.sent_away(DisconnectCode.NO_PONG, len(at.world.listeners))
    for listener in at.world.listeners[1::2]:
        listener.hang_up()


@case("Redis stopped for 10 s, outage local", "redis", outage="local", keeps_all=True)
async def outage_is_local(at: Setting) -> None:
    """What is published by HTTP comes at once, marked, to the clients of that relay; to the others afterwards."""
    listeners = at.world.listeners
    at.redis.freeze()
    await at.world.rest(10)
    here = [listener for listener in listeners if listener.record.marked]
    assert len(here) == len(listeners) / 2
    waiting = {name for name, event in at.world.publishers[0].acknowledged.items() if event.offset is None}
    assert len(waiting) > 100
    await until(lambda: all(waiting <= listener.record.marked for listener in here), "they have it all", 1)
    at.redis.thaw()
    await at.world.flows()
    assert not any(listener.record.marked for listener in listeners if listener not in here)


CONTROLS = {
    "subscribers half-open": "no reading",
    "publishers half-open, answers lost": "no ids",
    "Redis killed, back empty": "no epochs",
    "failover that loses 1.5 s, fast and strict": "no notices",
    "Sentinel: failover that loses 1.5 s": "no notices",
    "an outage longer than the history": "no notices",
    "Redis stopped for 10 s, outage local": "no ids",
    "a relay killed": "no positions",
    "clients gone without a word, 5 times": "no positions",
}
"""For each kind of fault a case that must turn red when this defence is off."""
