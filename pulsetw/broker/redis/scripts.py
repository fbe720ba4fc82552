"""Lua that runs inside Redis: constant texts, data only in KEYS and ARGV."""

# The write comes first: where Redis refuses it (READONLY, OOM, NOREPLICAS) the script ends there and nothing is told.
HEARTBEAT = """\
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[1])
return ARGV[1]
"""
