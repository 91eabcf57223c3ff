"""`python -m party rotate`: fresh shares of a model that stays shared; then an old copy of one
party's file fits nothing any more."""

from __future__ import annotations

from dataclasses import replace

from protocol.log import configure
from protocol.processes import run_until_signalled

from ..api import Party
from ..command_settings import RotateSettings
from ..declining import declining
from ..display import Terminal
from ..rotating import rotate
from ..shared import SharedModel
from ..taking_part import share


def run(settings: RotateSettings) -> int:
    """Meet the peer, who rotates the other half, and write the new half in place of the old. Exit
    code 0, or the error's that ended it."""
    party = Party.of(settings)
    terminal = Terminal(
        party.role,
        *configure(party.role, settings.log_format, settings.quiet, party.session),
        settings.quiet,
    )
    to = party.addresses(dealt=False)
    keys = to.public_keys(party.role)
    with declining(party.role, lambda: to):
        file = share(settings.model)
        model = SharedModel.read(file)
        if settings.new_keys:
            model = replace(model, keys=keys)
        model.check(party.role, keys)
    new = run_until_signalled(rotate(model, file, to, terminal.note, terminal.waiting))
    terminal.note(
        f"rotated {file}: generation {new.generations[0].number} of the model {new.name}",
        "rotated",
    )
    return 0
