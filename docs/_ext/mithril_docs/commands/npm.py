"""Install the packages of npm that the site is made of, where they are missing or in another version."""

from __future__ import annotations

import argparse
import subprocess

from mithril_docs.build import npm


def main(argv: list[str]) -> int:
    """Install what is missing. Returns 0, or 1 where there is no Node or npm cannot install."""
    argparse.ArgumentParser(prog="python -m mithril_docs npm", description=__doc__).parse_args(argv)
    wanted = [f"{name}@{version}" for name, version in npm.pins().items() if npm.installed(name) != version]
    try:
        if wanted:
            npm.install(wanted, npm.FOLDER)
    except (RuntimeError, subprocess.CalledProcessError) as error:
        print(f"{', '.join(wanted)} could not be installed into {npm.FOLDER.relative_to(npm.ROOT)}: {error}")
        return 1
    return 0
