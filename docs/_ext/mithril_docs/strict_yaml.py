"""YAML as pages may hold it: plain values, each name once, each value with its line."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yaml import Node, SafeLoader

#: A value's place in what holds it: names and, in lists, numbers.
Path = tuple[str | int, ...]


class YamlError(Exception):
    """A text that is not read as YAML; the message says what is wrong and what to do."""

    def __init__(self, line: int, words: str) -> None:
        super().__init__(words)
        self.line = line


@dataclasses.dataclass(frozen=True)
class Read:
    """What YAML holds, and the line of each value by its path; lines from 0."""

    value: Any
    lines: dict[Path, int]

    def line(self, path: Path) -> int:
        """The line of a value, or of what holds it."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path, 0)


#: What to do where YAML cannot be read, by words of what PyYAML says.
REMEDIES = {
    "\\t": "indent with spaces",
    "mapping values": "put quotes around a text that holds a colon",
    "alias": "write out what it stands for",
    "twice": "keep one",
    "stream end": "close what is open",
}
OTHERWISE = "put quotes around a text with any of : # [ ] { } & * ! % @ ` in it"


def read_yaml(text: str) -> Read:
    """Read a text.

    Raises
    ------
    YamlError
        It is no YAML, has a name twice, or holds more than plain values.
    """
    import yaml  # here: pages that are known need none of it

    try:
        loader = _loader()(text)
        node = loader.get_single_node()
        lines: dict[Path, int] = {}
        _note_lines(node, (), lines)
        return Read(None if node is None else loader.construct_document(node), lines)
    except yaml.reader.ReaderError as error:
        code = error.character if isinstance(error.character, int) else ord(error.character)
        words = f"it holds the control character U+{code:04X}; remove it"
        raise YamlError(text.count("\n", 0, error.position), words) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(f"{error.problem or error.context}".split())
        remedy = next((todo for words, todo in REMEDIES.items() if words in problem), OTHERWISE)
        raise YamlError(mark.line if mark else 0, f"{problem}; {remedy}") from None
    except RecursionError:
        raise YamlError(0, "it is nested too deeply; write it flat") from None
    except (ValueError, ArithmeticError, AttributeError, LookupError, TypeError) as error:
        # What PyYAML takes for a date or a number and cannot make one of.
        words = " ".join(str(error).split())
        raise YamlError(0, f"a value cannot be read ({words:.80}); put quotes around it") from None


@functools.cache
def _loader() -> type[SafeLoader]:
    import yaml

    class Loader(yaml.SafeLoader):
        """PyYAML's, but for names that stand for other parts: a few of them may hold more than fits into memory."""

        def compose_node(self, parent: Node | None, index: Any) -> Node | None:
            if self.check_event(yaml.AliasEvent):
                event = self.peek_event()
                raise yaml.MarkedYAMLError(None, None, f"found the alias '*{event.anchor}'", event.start_mark)
            return super().compose_node(parent, index)

    return Loader


def _note_lines(node: Node | None, path: Path, lines: dict[Path, int]) -> None:
    """Note the line of a value and of all in it; a name that stands twice in a mapping is an error."""
    import yaml

    if node is None:
        return
    lines.setdefault(path, node.start_mark.line)
    if isinstance(node, yaml.SequenceNode):
        for place, inner in enumerate(node.value):
            _note_lines(inner, (*path, place), lines)
    elif isinstance(node, yaml.MappingNode):
        for key, inner in node.value:
            name = str(key.value)
            if (*path, name) in lines:
                raise yaml.MarkedYAMLError(None, None, f"'{name}' stands here twice", key.start_mark)
            lines[(*path, name)] = key.start_mark.line
            _note_lines(inner, (*path, name), lines)
