"""The commands that nox calls: ``python -m mithril_docs COMMAND``."""

import importlib
import sys

#: Each command and the module whose ``main`` it is.
COMMANDS = {"execute": "execute.pages", "models": "models.run", "lab": "commands.lab", "serve": "commands.serve"}


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        print(f"usage: python -m mithril_docs {{{','.join(COMMANDS)}}} ...", file=sys.stderr)
        return 2
    module = importlib.import_module(f"mithril_docs.{COMMANDS[sys.argv[1]]}")
    return module.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
