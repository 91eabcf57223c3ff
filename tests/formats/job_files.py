"""Two jobs as TOML files, and how one is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from party.loading import load_job

VERTICAL = """# both hold this file
[rows]
match = "order"
held_out = 0.25

[columns]
alice = ["age", "income"]
bob = ["visits"]
label = { owner = "bob", column = "default", classes = ["no", "yes"] }
steps = ["standardise", { do = "clip", low = -4, high = 4 }]

[model]
estimator = "logistic-regression"
C = 2
max_iter = 10

[reveal]
weights = "alice"
scores = "bob"
"""
NETWORK = """
[rows]
held_out = 0.2
[columns]
bob = 4
label = { owner = "bob", column = "kind", classes = 3 }
[model]
layers = ["dense 6", "relu", "dense 3"]
[train]
optimiser = { lr = 0.1 }
batch = 16
epochs = 2
early_stopping = {}
"""


def loaded(tmp_path: Path, text: str) -> Any:
    path = tmp_path / "job.toml"
    path.write_text(text)
    return load_job(str(path))
