"""The commands that nox calls: ``python -m mithril_docs COMMAND``."""

import importlib
import sys


def main() -> int:
    # Not imported by name: what runs beside a framework depends on no command.
    commands: dict[str, str] = importlib.import_module("mithril_docs.commands").COMMANDS
    if len(sys.argv) < 2 or sys.argv[1] not in commands:
        print(f"usage: python -m mithril_docs {{{','.join(commands)}}} ...", file=sys.stderr)
        return 2
    module = importlib.import_module(f"mithril_docs.{commands[sys.argv[1]]}")
    return module.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
