"""Lines of arithmetic: a value, and in numbers how it came about, so that the two cannot say different things."""

from math import prod

from attrs import evolve, frozen

from tests.bench.report import spaced

_POWERS = {1e6: "10^6", 2**20: "2^20", 2**30: "2^30"}


@frozen
class Line:
    """One step.

    Attributes:
        arithmetic: how the value comes about.
    """

    what: str
    arithmetic: str
    value: float
    unit: str = ""

    @property
    def text(self) -> str:
        """The value as people read it."""
        return f"{rounded(self.value)} {self.unit}".strip()


@frozen
class Product:
    """Numbers multiplied, and divided by others."""

    times: tuple[float, ...]
    by: tuple[float, ...] = ()

    @property
    def value(self) -> float:
        return prod(self.times) / prod(self.by)

    def __str__(self) -> str:
        return " / ".join(
            [" x ".join(map(rounded, self.times)), *(_POWERS.get(each) or rounded(each) for each in self.by)]
        )


def of(*times: float) -> Product:
    """These, multiplied."""
    return Product(times)


def over(product: Product, *by: float) -> Product:
    """The product, divided by these."""
    return evolve(product, by=(*product.by, *by))


def line(what: str, unit: str, *terms: Product) -> Line:
    """A sum."""
    return Line(what, " + ".join(map(str, terms)), sum(each.value for each in terms), unit)


def cores(what: str, *terms: Product) -> Line:
    """A sum of µs a second."""
    us = line(what, "", *terms)
    return Line(what, f"({us.arithmetic}) / {_POWERS[1e6]}", us.value / 1e6, "cores")


def rounded(value: float) -> str:
    """Three digits, and all before the point."""
    return spaced(round(value)) if value >= 100 or value == int(value) else f"{value:.3g}"
