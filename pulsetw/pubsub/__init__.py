"""The face towards applications: publishing with retries, callbacks, statistics, health."""
