"""Options of the long tests, and what hypothesis is told."""

import pytest
from hypothesis import settings

# a machine that is busy with something else is no fault of a test
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kills", type=int, default=15, help="how many processes the chaos test kills"
    )
    parser.addoption("--chaos-seed", type=int, default=0, help="repeat a chaos run")
    parser.addoption("--soak", type=int, default=10, help="how many seconds the soak test lasts")
    parser.addoption(
        "--scenarios",
        type=int,
        default=4,
        help="how many sequences of crashes are watched by the recorder, of each job",
    )
    parser.addoption(
        "--hostile", action="store_true", help="replace every number of a plan by every hostile one"
    )
    parser.addoption(
        "--programs",
        type=int,
        default=300,
        help="how many random programs are compared with float64",
    )
