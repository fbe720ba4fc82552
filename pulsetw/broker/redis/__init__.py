"""The broker on Redis: two kept connections, a heartbeat that makes a round trip, subscriptions that survive a loss."""
