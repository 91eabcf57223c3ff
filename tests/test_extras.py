"""Whatever an option needs beyond a plain installation is named with its extra, before any work;
and nothing else needs it."""

from __future__ import annotations

import json
import subprocess
import sys

from party.lab.laboratory import drawing

OPTIONAL = (
    "aiohttp", "distributed", "matplotlib", "onnx", "openpyxl", "pandas", "prometheus_client",
    "pyarrow", "sklearn", "zstandard",
)  # fmt: skip
SCRIPT = """
import json, sys
sys.modules |= dict.fromkeys(json.loads(sys.argv[1]))  # an import of any of them fails
from dealer.__main__ import main as dealer
from party.__main__ import main as party
for program, *words in json.loads(sys.argv[2]):
    print(f"= {program}", file=sys.stderr, flush=True)
    code = {"dealer": dealer, "party": party}[program](words)
    print(f"= {code}", file=sys.stderr, flush=True)
"""


def told(*commands):
    """The exit code of each, and what it said."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(OPTIONAL), json.dumps(commands)],
        capture_output=True,
        text=True,
        check=True,
    )
    _, *parts = done.stderr.split("= ")
    return [
        (int(code.strip()), said.partition("\n")[2])
        for said, code in zip(parts[::2], parts[1::2], strict=True)
    ]


def test_each_option_names_its_extra(tmp_path):
    found = told(
        ("party", "--role", "bob", "--page", ":0"),
        ("party", "--role", "bob", "--metrics", ":0"),
        ("dealer", "--page", ":0"),
        ("dealer", "--workers", "dask://127.0.0.1:8786", "--insecure-plaintext"),
        ("party", "import", "model.onnx"),
        ("party", "--role", "bob", "--job", "mlp", "--out", str(tmp_path / "model.onnx")),
        ("party", "demo", "--job", "breast-cancer"),
    )
    for (code, said), extra in zip(
        found, ("page", "metrics", "page", "cluster", "onnx", "onnx", "demo"), strict=True
    ):
        last = said.splitlines()[-1]
        assert code == 2 and "Traceback" not in said
        assert f"which is not installed: python -m pip install 'mpc-playground[{extra}]'" in last


def test_the_page_of_a_plan_needs_none_of_them(tmp_path):
    page = tmp_path / "plan.html"
    ((code, _),) = told(("party", "plan", "--job", "seed", "--html", str(page)))
    assert code == 0 and "<svg" in page.read_text()


def test_the_lab_goes_without_pictures_and_says_so(monkeypatch):
    monkeypatch.delitem(sys.modules, "party.lab.pictures", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    said = list[str]()
    assert drawing(said.append) is None
    assert len(said) == 1 and said[0].startswith("tables without pictures: the lab, for pictures,")
    assert "'mpc-playground[lab]'" in said[0]
