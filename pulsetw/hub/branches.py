"""Which changes of a log's branch may have lost something that was acknowledged."""

from pulsetw.model import UNKNOWN_BRANCH, Lineage, Position


class Branches:
    """What this server has seen of a channel's branches.

    A change that came without a notice, on a link that lived, was no failover: a replica was attached. Of a change that
    nobody here has seen nothing is known, and it counts as one: rather once too often than never. So does every
    stay on a branch without a name: it may have been several.
    """

    def __init__(self, *, strict: bool) -> None:
        """None was seen.

        Args:
            strict: whether subscribers are told of failovers at all.
        """
        self._strict = strict
        self._lineage: Lineage | None = None
        self._was_told = False
        self._harmless: frozenset[str] = frozenset()

    def told(self) -> None:
        """A notice was given, or a cut: the next change of branch belongs to it."""
        self._was_told = True

    def placed(self, lineage: Lineage) -> None:
        """The log has these branches now."""
        before, self._lineage = self._lineage, lineage
        names = {branch.name for branch in lineage.branches}
        if before is not None and before.epoch == lineage.epoch and not self._was_told:
            self._harmless |= names - {branch.name for branch in before.branches}
        self._harmless &= names
        self._was_told = False

    def doubtful(self, since: Position) -> frozenset[str]:
        """The branches with which something may have been lost for somebody who comes from there.

        Args:
            since: a place; where the log does not know its branch, that is told by itself.
        """
        names = [] if self._lineage is None else [branch.name for branch in self._lineage.branches]
        if not self._strict or since.branch not in names:
            return frozenset()
        stood = names[names.index(since.branch) :]
        return (frozenset(stood[1:]) - self._harmless) | (frozenset(stood) & {UNKNOWN_BRANCH})
