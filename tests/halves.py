"""Halves of models that stay shared, put together: what no party ever does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from party.shared import Generation, SharedModel, reshared
from protocol.jobs import ROLES, Job
from protocol.nn.prediction import architecture
from protocol.prg import derive, fresh_seed
from protocol.ring import ring
from protocol.simulate import simulate


def together(halves: Iterable[SharedModel]) -> dict[str, np.ndarray]:
    """The tensors of the model of which these are the two halves."""
    alice, bob = pair = [*halves]
    assert (alice.id, alice.tensors, alice.generations[0].tag) == (
        bob.id,
        bob.tensors,
        bob.generations[0].tag,
    )
    found = {}
    for each in alice.tensors:
        arithmetic, (a, b) = (
            ring(each.limbs),
            (half.generations[0].shares[each.label] for half in pair),
        )
        whole = arithmetic.decode(arithmetic.add(a, b), each.bits)
        found[each.label] = np.asarray(whole, np.float64) * 2.0**-each.scale_in
    return found


def halves(
    job: Job, inputs: Mapping[str, np.ndarray], keys: tuple[str, ...] = ()
) -> list[SharedModel]:
    """What a simulated run of this job leaves to alice and to bob."""
    job.kept = job.keep
    run, salt = simulate(job, inputs), fresh_seed()
    tensors, known = tuple(run.plan.kept.values()), architecture(job)
    found = []
    for n, role in enumerate(ROLES):
        first = Generation(
            1,
            derive(salt, "tag").hex(),
            reshared(run.kept[n], tensors, role, derive(salt, "shares")),
        )
        found.append(
            SharedModel(
                id=derive(salt, "id").hex(),
                role=role,
                keys=keys,
                job=type(job).__name__,
                file="risk.py",
                parameters={},
                architecture=known,
                steps=run.steps,
                tensors=tensors,
                fitted={},
                generations=(first,),
            )
        )
    return found
