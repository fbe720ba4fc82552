"""How long to wait before another try."""

from attrs import frozen


@frozen
class Backoff:
    """Exponential waiting with jitter.

    Attributes:
        first_s: the wait after the first failure, in seconds.
        factor: how much longer each next wait is.
        max_s: the longest wait, in seconds.
        jitter: the part of each wait that is left to chance, 0 to 1: with 0.5 a wait of 2 s takes 1 to 2 s.
    """

    first_s: float = 0.1
    factor: float = 2.0
    max_s: float = 10.0
    jitter: float = 0.5

    def delay_s(self, failures: int, dice: float) -> float:
        """The wait after so many failures in a row.

        Args:
            failures: 1 or more.
            dice: a random number from 0 to 1.
        """
        # Beyond 2^60 the power would overflow long after max_s has been reached.
        wait = min(self.max_s, self.first_s * self.factor ** min(failures - 1, 60))
        return wait * (1 - self.jitter * dice)
