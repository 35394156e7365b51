"""A YAML file as plain values, each with its line.

Two readers, one outcome. libyaml reads what is plain, some twenty times faster. ruamel.yaml
reads again whatever is unusual or wrong: its YAML 1.2 counts, and its words are the errors.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.resolver import implicit_resolvers
from yaml import CBaseLoader, MappingNode, Node, ScalarNode, SequenceNode, YAMLError

_PLAIN, _OTHER = "plain", "other"
_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}
_VALUES: Sequence[tuple[re.Pattern[str], Callable[[str], object]]] = (
    (re.compile(r"0|-?[1-9][0-9]*"), int),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), date.fromisoformat),
    (
        re.compile(r"[0-9-]{10}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{6})?(?:Z|[+-][0-9]{2}:[0-9]{2})"),
        datetime.fromisoformat,
    ),
)
_RESOLVED = [pattern for versions, _, pattern, _ in implicit_resolvers if (1, 2) in versions]
"""Everything that YAML 1.2 takes for more than text; what is not read here is left to ruamel.yaml."""
_READ_OTHERWISE = re.compile(
    rb"[\t\r]|\xc2\x85|\xe2\x80[\xa8\xa9]|\xef\xbb\xbf|^%|(?:^|[\s,\[{:?-])(?:!|[&*]\S)|[|>][-+0-9]*#",
    re.MULTILINE,
)
"""Where the two readers differ: tabs, line breaks of other systems, a byte-order mark, directives, tags, anchors,
a comment that touches the sign of a block of text."""
_FIRST_OF_TEXT = re.compile(r"[^\W\d_tTfFnN]")
"""A letter with which nothing begins that YAML takes for more than text."""


class Keyed(dict[Any, Any]):
    """A mapping, and at which line (from 1) each key stands."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[Any, int] = {}


class Listed(list[Any]):
    """A sequence, and at which line (from 1) each element begins."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[int] = []


class Unusual(Exception):
    """Something that the quick reader leaves to the other one."""


class _Parser(CBaseLoader):
    """Composes nodes whose tags only tell whether they are plain scalars."""

    def resolve(self, kind: type[Node], _value: object, implicit: Any) -> str:
        return _PLAIN if kind is ScalarNode and implicit[0] else _OTHER

    def descend_resolver(self, *_path: object) -> None:
        pass

    def ascend_resolver(self) -> None:
        pass


def parse(raw: bytes) -> object:
    """The file's content: `Keyed`, `Listed` and plain values.

    Raises:
        ruamel.yaml.error.MarkedYAMLError: it is not YAML, or has a key twice.
    """
    try:
        return parse_plain(raw)
    except Unusual:
        return parse_any(raw)


def parse_plain(raw: bytes) -> object:
    """A file without tags, anchors and merges, and without anything wrong.

    Raises:
        Unusual: it is not such a file.
    """
    if _READ_OTHERWISE.search(raw):
        raise Unusual
    try:
        return _built(_Parser(raw).get_single_node())
    except (YAMLError, ValueError) as error:
        raise Unusual from error


def parse_any(raw: bytes) -> object:
    """Any file.

    Raises:
        ruamel.yaml.error.MarkedYAMLError: as `parse`.
    """
    return _taken(YAML(typ="rt").load(raw), {})


def line_of(tree: object, path: tuple[str | int, ...]) -> int:
    """The line (from 1) of the deepest part of a path that is in the file."""
    line = 1
    for step in path:
        try:
            line, tree = _below(tree, step)
        except LookupError:
            break
    return line


def _below(tree: object, step: str | int) -> tuple[int, object]:
    if isinstance(tree, Listed) and isinstance(step, int):
        return tree.lines[step], tree[step]
    if isinstance(tree, Keyed):
        return tree.lines[step], tree[step]
    raise LookupError


def _built(node: Node | None) -> object:
    if isinstance(node, ScalarNode):
        return _scalar(node)
    if isinstance(node, MappingNode):
        return _keyed(node)
    if isinstance(node, SequenceNode):
        return _listed(node)
    raise Unusual


def _keyed(node: MappingNode) -> Keyed:
    built = Keyed()
    for key_node, value_node in node.value:
        if not isinstance(key_node, ScalarNode):
            raise Unusual
        key = _scalar(key_node)
        if key in built:
            raise Unusual
        built[key] = _built(value_node)
        built.lines[key] = key_node.start_mark.line + 1
    return built


def _listed(node: SequenceNode) -> Listed:
    built = Listed()
    for one in node.value:
        built.append(_built(one))
        built.lines.append(one.start_mark.line + 1)
    return built


def _scalar(node: ScalarNode) -> object:
    text: str = node.value
    if node.tag != _PLAIN:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _FIRST_OF_TEXT.match(text):
        return text
    for pattern, value_of in _VALUES:
        if pattern.fullmatch(text):
            return value_of(text)
    if any(pattern.match(text) for pattern in _RESOLVED):
        raise Unusual
    return text


def _taken(node: Any, known: dict[int, Keyed | Listed]) -> object:
    """What ruamel.yaml read, in our own shapes; what stands in several places is one thing in all of them."""
    if id(node) in known:
        return known[id(node)]
    if isinstance(node, CommentedMap):
        keyed = known[id(node)] = Keyed()
        for key in node:
            keyed[key] = _taken(node[key], known)
            keyed.lines[key] = node.lc.key(key)[0] + 1
        return keyed
    if isinstance(node, CommentedSeq):
        listed = known[id(node)] = Listed()
        for at, one in enumerate(node):
            listed.append(_taken(one, known))
            listed.lines.append(node.lc.item(at)[0] + 1)
        return listed
    return node
