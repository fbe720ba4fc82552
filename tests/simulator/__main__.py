"""More histories than the tests have: ``python -m tests.simulator NUMBER [SEED]``."""

import sys
from typing import get_args

from pulsetw.catalogue.rule import Ack
from tests.simulator.client_history import client_violation
from tests.simulator.history import violation


def main(number: int, first: int) -> int:
    """Runs so many histories of each kind; prints the first that is wrong."""
    for of, judge in (("consumer", violation), ("clients", client_violation)):
        for ack in get_args(Ack):
            for seed in range(first, first + number):
                wrong = judge(seed, ack)
                if wrong:
                    sys.stdout.write(f"{of}, {wrong}\n")
                    return 1
            sys.stdout.write(f"{of}, {ack}: {number} histories from seed {first}, 0 violations\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
