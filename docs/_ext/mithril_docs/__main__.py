"""The commands that nox calls: ``python -m mithril_docs COMMAND``."""

import importlib
import sys

#: The commands, each the ``main`` of the module of its name.
COMMANDS = ("execute", "matrix", "lab")


def main() -> int:
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        print(f"usage: python -m mithril_docs {{{','.join(COMMANDS)}}} ...", file=sys.stderr)
        return 2
    module = importlib.import_module(f"mithril_docs.{sys.argv[1]}")
    return module.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
