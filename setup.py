"""What is installed: the package, its command, and the one plugin file by which twistd finds it."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION: dict[str, str] = {}
exec((ROOT / "pulsetw" / "version.py").read_text(), VERSION)

TEST = [
    "coverage>=7.6",
    "hypothesis>=6.100",
    "msgpack>=1.0",
    "mypy>=1.15",
    "mypy-zope>=1.0.12",
    "playwright>=1.50",
    "pytest>=8.3",
    "pytest-timeout>=2.3",
    "pytest-twisted>=1.14.3",
    "ruff>=0.9",
    "trustme>=1.2",
]

setup(
    name="pulsetw",
    version=VERSION["__version__"],
    description="An event relay: from application servers, through Redis, to every WebSocket client that may see it",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=[*find_packages(include=["pulsetw", "pulsetw.*"]), "twisted.plugins"],
    package_data={"pulsetw": ["py.typed", "web/client.js", "web/client.d.ts"]},
    install_requires=[
        "attrs>=24.2",
        "autobahn>=26.10.1",
        "click>=8.2",
        "hiredis>=3.0",
        "msgspec>=0.19",
        "PyJWT[crypto]>=2.15.1",
        "rich>=14.0",
        "twisted[tls]>=26.10",
        "txredisapi>=1.6",
        "zope.interface>=7.0",
    ],
    extras_require={"test": TEST},
    entry_points={"console_scripts": ["pulsetw = pulsetw.cli.main:main"]},
    classifiers=[
        "Framework :: Twisted",
        "Intended Audience :: Developers",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Topic :: Internet :: WWW/HTTP",
        "Typing :: Typed",
    ],
)
