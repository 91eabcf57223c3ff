"""`python -m party predict`: what a model that stays shared says of new rows."""

from __future__ import annotations

from ..api import Party
from ..command_settings import PredictSettings
from ..declining import declining
from ..loading import load_job, parameters
from ..predicting import learners, predicted
from ..shared import SharedModel
from ..taking_part import role_of, share, take_part


def run(settings: PredictSettings) -> int:
    """Meet the peer, who brings the other half of the model, and predict; results as `run` writes
    and prints them. Exit code 0, or the error's that ended it."""
    with declining(role_of(settings), lambda: Party.of(settings).addresses()):
        model, given = SharedModel.read(share(settings.model)), parameters(settings.param)
        job = None if settings.job is None else load_job(settings.job, given)
        brings = bool(settings.data or settings.table)
        wanted = predicted(model, job, given, brings, learners(settings.reveal))
    return take_part(settings, wanted, model)
