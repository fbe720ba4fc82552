"""Random histories of a failing broker: what a relay reads of it, and what clients get, must be whole or told."""
