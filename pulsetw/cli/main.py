"""``pulsetw``: its verbs."""

import click

from pulsetw.cli.bench import bench
from pulsetw.version import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pulsetw", message="%(prog)s %(version)s")
def main() -> None:
    """Tools for a running relay. The relay itself is `twistd pulsetw`."""


main.add_command(bench)
