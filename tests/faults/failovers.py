"""A master that dies, and a replica in its place; RECOVERY's list for failovers, by hand and by Sentinel."""

from tests.faults.case import Setting, case
from tests.integration.proxy import DOWN, UP
from tests.integration.redis_server import RedisServer
from tests.integration.sentinel import Guarded


@case("failover that loses 1.5 s, window", "failover", replica=True, ack="window", keeps_all=True)
@case("failover that loses 1.5 s, durable", "failover", replica=True, ack="durable", keeps_all=True)
@case("failover that loses 1.5 s, fast and strict", "failover", replica=True)
async def lose_moment(at: Setting) -> None:
    """The replica hears nothing for 1.5 s, then the master dies, and the replica takes its place.

    What is published in the second half of that time reaches no relay, so that it is really lost with the master. The
    old master comes back, empty, as its replica.
    """
    assert at.replica is not None
    at.replication.silent |= {UP, DOWN}
    await at.world.rest(0.8)
    for pair in at.proxy.subscribers():
        pair.silent |= {UP, DOWN}
    await at.world.rest(0.7)
    at.redis.stop()
    at.replica.ask("REPLICAOF", "NO", "ONE")
    at.proxy.server_port = at.replica.port
    at.proxy.cut()
    at.redis.start()
    at.redis.ask("REPLICAOF", "127.0.0.1", at.replica.port)
    await at.world.rest(0.5)


@case("failover that loses 1.5 s, clients away", "failover", replica=True)
async def failover_away(at: Setting) -> None:
    """They have gone before what will be lost, and come back when all is over."""
    for listener in at.world.listeners:
        listener.stay_away(True)
    await lose_moment(at)
    await at.world.flows()
    for listener in at.world.listeners:
        listener.stay_away(False)


@case("failover that loses 1.5 s, clients stopped", "failover", replica=True)
async def failover_stopped(at: Setting) -> None:
    """They do not read before it, and go on when all is over."""
    for listener in at.world.listeners:
        listener.read(reads=False)
    await lose_moment(at)
    await at.world.flows()
    for listener in at.world.listeners:
        listener.read(reads=True)


@case("Sentinel: the master killed", "sentinel", guarded=True)
async def sentinel_killed(at: Setting) -> None:
    assert at.guarded is not None
    at.guarded.servers[0].stop()
    await at.guarded.elected()


@case("Sentinel: a zombie master", "sentinel", guarded=True)
async def sentinel_zombie(at: Setting) -> None:
    assert at.guarded is not None
    at.guarded.servers[0].freeze()
    await at.guarded.elected()
    await at.world.rest(1)
    at.guarded.servers[0].thaw()
    await at.world.rest(1)


async def _lose_guarded_moment(at: Setting, guarded: Guarded) -> RedisServer:
    """After another 1.5 s the master dies; the relays hear nothing of the second half. Fires with the new master."""
    assert guarded.proxy is not None
    await at.world.rest(0.8)
    for pair in guarded.proxy.subscribers():
        if b"pulsetw" in pair.said:
            pair.silent |= {UP, DOWN}
    await at.world.rest(0.7)
    guarded.servers[0].stop()
    return await guarded.elected()


@case("Sentinel: failover that loses 1.5 s, window", "sentinel", guarded=True, ack="window", keeps_all=True)
@case("Sentinel: failover that loses 1.5 s, durable", "sentinel", guarded=True, ack="durable", keeps_all=True)
@case("Sentinel: failover that loses 1.5 s", "sentinel", guarded=True)
async def sentinel_lag(at: Setting) -> None:
    """Both replicas are 1.5 s behind."""
    assert at.guarded is not None
    assert at.guarded.proxy is not None
    at.guarded.proxy.blocked = (b"REPLCONF",)
    await _lose_guarded_moment(at, at.guarded)


@case("Sentinel: a replica is 1.5 s behind and elected, durable", "sentinel", guarded=True, ack="durable")
async def sentinel_prefers_behind(at: Setting) -> None:
    """The limit of `WAIT 1`: the other replica has it all, and this one has the better priority."""
    assert at.guarded is not None
    assert at.guarded.proxy is not None
    behind = at.guarded.servers[2]
    await at.guarded.prefer(behind)
    for pair in at.guarded.proxy.pairs:
        if b"listening-port\r\n$5\r\n%d" % behind.port in pair.said:
            pair.silent |= {UP, DOWN}
    assert await _lose_guarded_moment(at, at.guarded) is behind


@case("Sentinel: split brain", "sentinel", guarded=True, min_replicas_to_write="1", min_replicas_max_lag="2")
async def split_brain(at: Setting) -> None:
    """Relays reach the old master, replicas and Sentinels do not."""
    assert at.guarded is not None
    assert at.guarded.proxy is not None
    at.guarded.proxy.blocked = (b"REPLCONF", b"sentinel-")
    await at.guarded.elected()
    await at.world.flows()
    at.guarded.proxy.blocked = ()
    at.guarded.proxy.cut()
    await at.world.rest(1)
