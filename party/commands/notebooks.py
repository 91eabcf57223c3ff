"""`python -m party notebooks`: the notebooks that come with the package, in a folder where they can
be run and changed."""

from __future__ import annotations

from importlib.resources import files

from protocol.errors import ConfigError

from ..command_settings import NotebooksSettings


def run(settings: NotebooksSettings) -> int:
    """Copy the notebooks to --out and print how they are opened. Exit code 0; ConfigError for files
    that are there already, unless --fresh."""
    found = sorted(
        (
            each
            for each in files("party").joinpath("notebooks").iterdir()
            if each.name.endswith(".ipynb")
        ),
        key=lambda each: each.name,
    )
    there = [each.name for each in found if (settings.out / each.name).exists()]
    if there and not settings.fresh:
        raise ConfigError(
            f"{settings.out} has {', '.join(there)} already; name another folder with --out, or"
            " write over them with --fresh"
        )
    try:
        settings.out.mkdir(parents=True, exist_ok=True)
        for each in found:
            (settings.out / each.name).write_bytes(each.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"the notebooks cannot be written to {settings.out}: {error.strerror}; name another"
            " folder with --out"
        ) from None
    print(f"Wrote {', '.join(each.name for each in found)} to {settings.out}.")
    print(
        f"Open them with `jupyter lab {settings.out}`, which comes with: python -m pip install"
        " 'mpc-playground[notebooks]'"
    )
    return 0
