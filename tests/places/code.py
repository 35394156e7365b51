"""Places as the Python code makes them: found in its syntax, without running anything."""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from lethe_common.catalogue import Kind
from tests.places.findings import Finding
from tests.tree import Source, dotted

_LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log", "bind"}
_METRICS = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}
_HEADER_LINE = re.compile(r"([A-Za-z][A-Za-z0-9-]*): ?[^\r\n]*\r\n")
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_CARRIES_HEADERS = re.compile(r"(^|_)headers?$|^_ALWAYS$", re.IGNORECASE)
# Writes a document that describes headers, and sets none.
_ABOUT_HEADERS = "libs/common/lethe_common/asyncapi.py"
_TEMPORARY = {"mkdtemp", "mkstemp", "NamedTemporaryFile", "TemporaryDirectory", "TemporaryFile", "SpooledTemporaryFile"}


class Strings:
    """What names stand for: constants of a module, followed through imports of the project's own."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._by_module = {_module(source): source for source in sources if source.member}

    def of(self, source: Source, node: ast.expr | None) -> str | None:
        """The text of an expression, with `*` where it is only known when it runs; None when nothing is known."""
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.Constant(value=bytes(raw)):
                return raw.decode("latin-1")
            case ast.Name(id=name):
                return self._named(source, name)
            case ast.JoinedStr(values=values):
                return "".join(self._part(source, value) for value in values)
            case _:
                return None

    def _part(self, source: Source, value: ast.expr) -> str:
        inner = value.value if isinstance(value, ast.FormattedValue) else value
        return self.of(source, inner) or "*"

    def _named(self, source: Source, name: str) -> str | None:
        for node in source.tree.body:
            for target, value in _assignments(node):
                if target == name:
                    return self.of(source, value)
            if isinstance(node, ast.ImportFrom) and any((each.asname or each.name) == name for each in node.names):
                other = self._by_module.get(node.module or "")
                return None if other is None else self._named(other, name)
        return None


def log_fields(sources: Iterable[Source]) -> Iterator[Finding]:
    """The keywords of log calls, and what processors put into a line."""
    for source in sources:
        for call in source.calls():
            owner, _, method = dotted(call.func).rpartition(".")
            if method in _LOG_METHODS and re.search(r"(^|[._])(log|logger)$", owner):
                for keyword in call.keywords:
                    if keyword.arg not in {None, "exc_info"}:
                        yield Finding(Kind.LOG_FIELD, str(keyword.arg), _at(source, call))


def metrics(sources: Iterable[Source]) -> Iterator[Finding]:
    """Metrics by name, and their labels as `metric.label`."""
    strings = Strings(sources := list(sources))
    for source in sources:
        for call in source.calls():
            made = [strings.of(source, argument) for argument in call.args[:2]]
            if dotted(call.func).rpartition(".")[2] not in _METRICS or len(made) < 2 or made[0] is None:
                continue
            yield Finding(Kind.METRIC, made[0], _at(source, call))
            given = [*call.args[2:3], *(word.value for word in call.keywords if word.arg == "labelnames")]
            for labels in given:
                for label in labels.elts if isinstance(labels, ast.List | ast.Tuple) else ():
                    yield Finding(Kind.METRIC_LABEL, f"{made[0]}.{strings.of(source, label)}", _at(source, call))


def bucket_prefixes(sources: Iterable[Source]) -> Iterator[Finding]:
    """The categories under which objects are stored."""
    strings = Strings(sources := list(sources))
    for source in sources:
        for call in source.calls():
            if dotted(call.func).rpartition(".")[2] in {"new_object_prefix", "subject_prefix"} and len(call.args) == 2:
                name = strings.of(source, call.args[0])
                if name is not None:
                    yield Finding(Kind.BUCKET_PREFIX, name, _at(source, call))


def cookies(sources: Iterable[Source]) -> Iterator[Finding]:
    """Names given to set_cookie, to a `cookie` parameter, or to a constant called so."""
    strings = Strings(sources := list(sources))
    for source in sources:
        for node in source.tree.body:
            for target, value in _assignments(node):
                if re.search(r"cookie$", target, re.IGNORECASE) and (name := strings.of(source, value)):
                    yield Finding(Kind.COOKIE, name, _at(source, node))
        for call in source.calls():
            is_setting = dotted(call.func).rpartition(".")[2] == "set_cookie"
            given = [*(call.args[:2] if is_setting else ()), *(w.value for w in call.keywords if w.arg == "cookie")]
            for each in given:
                # The first argument, or the second where a function of ours takes the response first.
                if (name := strings.of(source, each)) is not None:
                    yield Finding(Kind.COOKIE, name, _at(source, call))
                    break


def temporary_files(sources: Iterable[Source]) -> Iterator[Finding]:
    """Calls of tempfile, what is put into its folder, and paths below the machine's own folders."""
    strings = Strings(sources := list(sources))
    for source in sources:
        for call in source.calls():
            word = dotted(call.func)
            if word.rpartition(".")[2] in _TEMPORARY and (word.startswith("tempfile.") or word in _TEMPORARY):
                prefix = next((w.value for w in call.keywords if w.arg == "prefix"), None)
                yield Finding(Kind.TEMPORARY_FILE, f"{strings.of(source, prefix) or 'tmp'}*", _at(source, call))
            text = strings.of(source, call.args[0]) if word == "Path" and call.args else None
            if text and (match := re.match(r"/(?:tmp|var/tmp|dev/shm)/([^/]+)", text)):
                yield Finding(Kind.TEMPORARY_FILE, match[1], _at(source, call))
        for node in source.nodes:
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and "gettempdir" in ast.dump(node.left):
                yield Finding(Kind.TEMPORARY_FILE, strings.of(source, node.right) or "*", _at(source, node))


def headers(sources: Iterable[Source]) -> Iterator[Finding]:
    """Names in dicts and pairs that are headers, in assignments to them, in lines as they stand on the wire."""
    strings = Strings(sources := list(sources))
    for source in sources:
        if source.name == _ABOUT_HEADERS:
            continue
        for line, name in _header_names(source, partial(strings.of, source)):
            if _HEADER_NAME.fullmatch(name):
                yield Finding(Kind.HEADER, name, f"{source.name}:{line}")


def _header_names(source: Source, text: Callable[[ast.expr | None], str | None]) -> Iterator[tuple[int, str]]:
    for node in source.nodes:
        match node:
            case ast.Assign(targets=[ast.Subscript(value=owner, slice=key)]) if _is_header_owner(owner) or _is_mail(
                owner
            ):
                yield from _texts(text, [key])
            case ast.Assign(targets=[ast.Tuple(elts=targets)]):
                mailed = [each for each in targets if isinstance(each, ast.Subscript) and _is_mail(each.value)]
                yield from _texts(text, [each.slice for each in mailed])
            case ast.Assign(targets=[target], value=value) | ast.AnnAssign(target=target, value=ast.expr() as value):
                if _is_header_owner(target):
                    yield from _texts(text, _keys(value))
            case ast.keyword(arg=str(word), value=value) if _CARRIES_HEADERS.search(word):
                yield from _texts(text, _keys(value))
            case ast.Call(func=func, args=arguments) if dotted(func).endswith("Response"):
                yield from _texts(text, [key for each in arguments[1:] for key in _keys(each)])
            case ast.Tuple(elts=[ast.Constant(value=bytes()) as key, _]):
                yield from _texts(text, [key])
            case ast.Constant(value=str() | bytes()) | ast.JoinedStr():
                yield from ((node.lineno, name) for name in _HEADER_LINE.findall(text(node) or ""))
            case _:
                continue


def _texts(text: Callable[[ast.expr | None], str | None], keys: Iterable[ast.expr]) -> Iterator[tuple[int, str]]:
    return ((key.lineno, name) for key in keys if (name := text(key)) is not None)


def _keys(value: ast.expr) -> list[ast.expr]:
    """The keys of every dict literal in an expression that is one, a merge of some, or a choice between some."""
    match value:
        case ast.Dict(keys=keys):
            return [key for key in keys if key is not None]
        case ast.BinOp(left=left, right=right):
            return [*_keys(left), *_keys(right)]
        case ast.IfExp(body=body, orelse=other):
            return [*_keys(body), *_keys(other)]
        case _:
            return []


def _is_header_owner(node: ast.expr) -> bool:
    return bool(_CARRIES_HEADERS.search(dotted(node).rpartition(".")[2]))


def _is_mail(node: ast.expr) -> bool:
    return dotted(node) == "message"


def _assignments(node: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            yield name, value
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            yield name, value
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
            for target, value in zip(targets, values, strict=False):
                if isinstance(target, ast.Name):
                    yield target.id, value
        case _:
            return


def _module(source: Source) -> str:
    parts = source.path.with_suffix("").parts
    return ".".join(parts[parts.index(source.member or "") :]).removesuffix(".__init__")


def _at(source: Source, node: ast.AST) -> str:
    return f"{source.name}:{getattr(node, 'lineno', 0)}"
