"""Decisions: values in, values out; the time and the dice are arguments."""
