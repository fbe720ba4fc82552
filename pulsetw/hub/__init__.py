"""Which local connections want what, and getting it to them: one log for a channel, a cursor for a subscription."""
