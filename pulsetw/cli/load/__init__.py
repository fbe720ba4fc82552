"""What ``pulsetw bench`` does: listeners, a publisher, and an account of what came of it."""
