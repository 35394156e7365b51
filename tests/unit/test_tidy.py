"""The house style as far as a machine can hold it: sizes, rooms, names, directions."""

import ast
import re
import statistics
from collections import Counter
from collections.abc import Iterable

import pytest

from tests.tree import MEMBERS, ROOT, SERVICES, Source, code, dotted, files, sources

FILE_LINES_MAX, FILE_LINES_MEDIAN = 400, 120
FUNCTION_LINES_MAX, FUNCTION_LINES_MEDIAN = 70, 10
ROOMS = (
    "__main__", "settings", "wiring", "models", "queries", "handlers", "endpoints", "schemas", "errors",
    "adapters", "migrations",
)  # fmt: skip
NAMELESS = {"utils", "util", "helpers", "helper", "manager", "managers", "base", "service", "misc", "common", "core"}
DECISION_SECTIONS = ("Context", "Decision", "Consequences", "What would reverse it")


def none(found: Iterable[str]) -> None:
    """Fail with one line for each finding."""
    findings = sorted(found)
    assert not findings, "\n" + "\n".join(findings)


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def is_room(service: str, room: str) -> bool:
    package = MEMBERS[f"lethe_{service}"] / f"lethe_{service}"
    return (package / f"{room}.py").is_file() or (package / room / "__init__.py").is_file()


def test_no_file_is_longer_than_can_be_read_at_once() -> None:
    none(f"{s.name}: {len(s.lines)} lines" for s in sources() if len(s.lines) > FILE_LINES_MAX)


def test_no_function_is_longer_than_a_screen() -> None:
    none(
        f"{s.name}:{function.lineno} {function.name}: {lines_of(function)} lines"
        for s in sources()
        for function in s.functions()
        if lines_of(function) > FUNCTION_LINES_MAX
    )


def test_the_usual_file_and_function_are_short(capsys: pytest.CaptureFixture[str]) -> None:
    file_lines = [len(s.lines) for s in code() if s.lines]
    function_lines = [lines_of(function) for s in code() for function in s.functions()]
    comments = sum(line.lstrip().startswith("#") or "  # " in line for s in code() for line in s.lines)

    medians = statistics.median(file_lines), statistics.median(function_lines)
    with capsys.disabled():
        print(
            f"\nfiles: {len(file_lines)}, median {medians[0]:.0f} lines, p90 {statistics.quantiles(file_lines, n=10)[-1]:.0f}; "
            f"functions: {len(function_lines)}, median {medians[1]:.0f}, p90 {statistics.quantiles(function_lines, n=10)[-1]:.0f}; "
            f"comments per 100 lines: {100 * comments / sum(file_lines):.1f}"
        )
    assert medians[0] < FILE_LINES_MEDIAN
    assert medians[1] < FUNCTION_LINES_MEDIAN


def test_every_function_says_what_it_returns() -> None:
    none(f"{s.name}:{f.lineno} {f.name}" for s in sources() for f in s.functions() if f.returns is None)


def test_every_service_has_the_same_rooms() -> None:
    none(f"lethe_{service}: no {room}" for service in SERVICES for room in ROOMS if not is_room(service, room))


def test_every_service_thinks_in_modules_of_its_own() -> None:
    def thinks(service: str) -> bool:
        package = MEMBERS[f"lethe_{service}"] / f"lethe_{service}"
        return any(file.stem not in {*ROOMS, "__init__"} for file in package.glob("*.py"))

    none(f"lethe_{service}: only rooms, no domain module" for service in SERVICES if not thinks(service))


def test_modules_are_named_by_a_noun_of_the_field() -> None:
    parts = {
        (s.name, part) for s in code() for part in s.path.relative_to(MEMBERS[s.member or ""]).with_suffix("").parts
    }
    none(name for name, part in parts if part in NAMELESS)


def test_imports_go_one_way() -> None:
    """Services know common, common knows nobody, the command line starts services but never imports one."""
    services = {f"lethe_{service}" for service in SERVICES}
    forbidden = {
        **{service: (services | {"lethe_cli"}) - {service} for service in services},
        "lethe_cli": services,
        "lethe_common": services | {"lethe_cli"},
    }
    none(
        f"{s.name}:{line} imports {name}"
        for s in code()
        for name, line in s.imports()
        if name.partition(".")[0] in forbidden[s.member or ""]
    )


def test_only_the_tests_import_test_tools() -> None:
    tools = {"pytest", "hypothesis", "unittest", "_pytest"}
    none(
        f"{s.name}:{line} imports {name}"
        for s in code()
        for name, line in s.imports()
        if name.partition(".")[0] in tools and "/testing/" not in s.name
    )


def test_our_own_code_is_never_mocked() -> None:
    """`patch.dict` sets an environment; whatever else stands in for code of ours proves nothing about it."""
    mocks = re.compile(r"(mock\.)?(\w*Mock|create_autospec|patch|patch\.object|patch\.multiple)")
    none(f"{s.name}:{call.lineno}" for s in sources() for call in s.calls() if mocks.fullmatch(dotted(call.func)))


def test_each_test_file_has_a_name_of_its_own() -> None:
    names = Counter(s.path.name for s in sources() if s.path.name.startswith("test_"))
    none(f"{name}: {count} times" for name, count in names.items() if count > 1)


def test_tests_are_plain_functions_named_as_sentences() -> None:
    def findings(source: Source) -> Iterable[str]:
        for node in source.tree.body:
            if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
                yield f"{source.name}:{node.lineno} a class of tests"
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and re.fullmatch(
                r"test_[a-z0-9]+(_[a-z0-9]+)?", node.name
            ):
                yield f"{source.name}:{node.lineno} {node.name} is no sentence"

    none(finding for s in sources() if s.path.name.startswith("test_") for finding in findings(s))


def test_each_exception_to_a_rule_names_the_rule_and_the_reason() -> None:
    exception = re.compile(r"#\s*(noqa|type:\s*ignore|nosec|pragma:\s*no cover)(?P<rest>.*)")
    reasoned = re.compile(r"(: [A-Z]+[0-9]+(, [A-Z]+[0-9]+)*|\[[a-z-]+(, ?[a-z-]+)*\]) [ #-]+[^ ].{4,}")
    none(
        f"{s.name}:{number}: {line.strip()[-100:]}"
        for s in sources()
        if s.path.name != "test_tidy.py"
        for number, line in enumerate(s.lines, 1)
        if (match := exception.search(line)) and not reasoned.match(match["rest"])
    )


def test_nothing_is_left_to_do_later_in_a_comment() -> None:
    later = re.compile(r"#.*\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError")
    none(
        f"{s.name}:{number}"
        for s in sources()
        if s.path.name != "test_tidy.py"
        for number, line in enumerate(s.lines, 1)
        if later.search(line)
    )


def test_each_decision_tells_context_decision_consequences_and_what_would_reverse_it() -> None:
    records = [file for file in files() if file.parent == ROOT / "docs/decisions"]
    assert records

    def findings(text: str) -> Iterable[str]:
        headings = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
        return (f"no section '{section}'" for section in DECISION_SECTIONS if section not in headings)

    none(f"{file.name}: {finding}" for file in records for finding in findings(file.read_text()))
    none(file.name for file in records if not re.fullmatch(r"[0-9]{4}-[a-z0-9-]+\.md", file.name))
