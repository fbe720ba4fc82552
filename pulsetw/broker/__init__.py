"""Brokers: what carries publications between servers."""
