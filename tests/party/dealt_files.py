"""Files of material for both parties, made by a dealer of this process, and opened."""

from __future__ import annotations

import numpy as np

from dealer.store import names, precompute
from party.loading import load_job
from party.material_file import Material
from protocol.channel import KeyPair
from protocol.jobs import Input, Job
from protocol.plan import make_plan
from protocol.sealed_material import (
    Extent,
)
from protocol.tracing import trace

KEYS = {role: KeyPair.generate(role) for role in ("alice", "bob", "dealer")}
OWNERS = {role: KEYS[role].public for role in ("alice", "bob")}


class Minibatches(Job):
    x = Input("bob", shape=(10, 3), low=-1, high=1)
    w = Input("alice", shape=(3, 1), low=-8, high=8)

    def step(self, v):
        v.w = v.w - v.x.minibatch(4).T @ (v.x.minibatch(4) @ v.w)

    def finish(self, v):
        v.reveal(w=v.w)


def dealing_of(job, iterations):
    shapes = {
        name: np.shape(each.default) if each.default is not None else each.shape
        for name, each in job.inputs.items()
    }
    return make_plan(trace(job, shapes, iterations), 0, (0, 1)).dealing


SEED = dealing_of(load_job("seed"), 500)


def make(folder, dealing=SEED, spare=0.5, session="s"):
    precompute(
        dealing, Extent.of(dealing, spare), session, folder, KEYS["dealer"], OWNERS, workers=2
    )
    return names(folder, session)


def opened(path, role, dealing=SEED, keys=None, dealer=None, session="s", program="0" * 32):
    found = Material(path, role, session, keys or KEYS[role], (dealer or KEYS["dealer"]).public)
    found.bind(dealing, program)
    return found


# ---- use -----------------------------------------------------------------------------------------


def settled(material, start=0, step=0, finish=0, check=0):
    material.offer()
    return material.settle(
        {"step": step, "check": check, "finish": finish, "sent": [], "received": []}, "alice", start
    )
