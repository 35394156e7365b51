"""Both readers of YAML see the same in a file, line for line; what only one of them reads is left to it."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml.error import YAMLError

from lethe_common.policy import PolicyError
from lethe_common.policy.source import read_yaml
from lethe_common.policy.trees import Keyed, Listed, Unusual, parse, parse_any, parse_plain
from tests.unit.common.policy_files import NAMES, PROFILES

_TEXTS = [(PROFILES / name / file).read_text() for name in NAMES for file in ("policy.yaml", "catalogue.yaml")]
_LONGEST = 14
_SLIPS = [
    *" \n\t:-,[]{}#&*!|>'\"%@`?~=<.01x_abT\\é", ": ", "- ", "\n- ", "\n  ", "? ", "--- ", "\n---\n", "<<: ", "!!str ", "&a ",
    "*a ", "null", "yes", "0x1", "1_0", "1.5", "2026-12-01T09:00:00Z", "2026-1-1", "|-\n  q\n\n", ">\n  a\n  b\n\n  c\n", "\r\n",
    "\u0085", "\u2028", "\ufeff", "\x00",
]  # fmt: skip


@pytest.mark.parametrize("text", _TEXTS)
def test_the_shipped_files_are_plain_and_read_the_same_by_both(text: str) -> None:
    assert _seen(parse_plain(text.encode())) == _seen(parse_any(text.encode()))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_what_the_quick_reader_reads_the_other_one_reads_too(data: st.DataObject) -> None:
    lines = data.draw(st.sampled_from(_TEXTS)).splitlines(keepends=True)
    first = data.draw(st.integers(0, len(lines) - 1))
    piece = lines[first : first + data.draw(st.integers(1, _LONGEST))]
    indent = min((len(line) - len(line.lstrip()) for line in piece if line.strip()), default=0)
    text = "".join(line[indent:] for line in piece)
    for slip in data.draw(st.lists(st.sampled_from(_SLIPS), max_size=3)):
        place = data.draw(st.integers(0, len(text)))
        text = text[:place] + slip + text[place + data.draw(st.integers(0, 3)) :]

    raw = text.encode()
    try:
        plain = parse_plain(raw)
    except Unusual:
        return
    try:
        assert _seen(plain) == _seen(parse_any(raw)), text
    except YAMLError as error:
        pytest.fail(f"read by one, refused by the other: {text!r}: {error}")


def test_a_value_keeps_its_kind_as_yaml_1_2_has_it() -> None:
    text = 'a: [1, 01, 0x1f, 1_000, 1.5, ~, null, yes, on, true, tRue, 12:30, "1", -3, 2026-12-01, 3bd]\nb:\n'

    assert str(_plain(parse(text.encode()))) == (
        "{'a': [1, 1, 31, 1000, 1.5, None, None, 'yes', 'on', True, 'tRue', '12:30', '1', -3, "
        "datetime.date(2026, 12, 1), '3bd'], 'b': None}"
    )


def test_what_stands_in_several_places_keeps_its_own_lines() -> None:
    tree = parse(b"a: &one\n  b: 1\nc: *one\n")

    assert isinstance(tree, Keyed)
    assert tree["a"] == tree["c"] == {"b": 1}
    assert (tree.lines, tree["c"].lines) == ({"a": 1, "c": 3}, {"b": 2})


@pytest.mark.parametrize("raw", [b"a: \xff\n", b"a: 2026-13-40\n", b"a: [\n"])
def test_what_cannot_be_read_at_all_is_an_error_of_the_file(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "policy.yaml"
    file.write_bytes(raw)

    with pytest.raises(PolicyError, match=r"^policy.yaml:\d+: "):
        read_yaml(file)


def _plain(tree: object) -> object:
    if isinstance(tree, Keyed):
        return {key: _plain(one) for key, one in tree.items()}
    return [_plain(one) for one in tree] if isinstance(tree, Listed) else tree


def _seen(tree: object) -> object:
    """Everything there is to see: keys in their order, kinds of values, lines."""
    if isinstance(tree, Keyed):
        return [(key, tree.lines[key], _seen(one)) for key, one in tree.items()]
    if isinstance(tree, Listed):
        return [(line, _seen(one)) for line, one in zip(tree.lines, tree, strict=True)]
    # What ruamel.yaml keeps a number's or a date's spelling with is a kind of that number or date.
    kinds = [kind for kind in type(tree).__mro__ if kind.__module__ in {"builtins", "datetime"}]
    return kinds[0], tree
