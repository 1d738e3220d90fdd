"""The house's style as tests: layers, sizes, banned names, docstrings (after tigerbeetle's tidy.zig).

Everything is read from the syntax trees; nothing of the package is imported, so this runs in any state
of the tree and says file and line. The layers are a table of ranks: a module may import what ranks
lower, never what ranks the same. That makes the star of house.md section 1 a fact: stages cannot know
one another, and a cycle cannot exist.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypeAlias

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "zoned"

STAGES = (
    "observe", "graph", "forecast", "gossip", "facts", "placement", "cache", "prefetch", "flight", "learning",
)  # fmt: skip

# Highest rank whose prefix matches wins (longest prefix first). Equal ranks never import each other.
RANKS: tuple[tuple[str, int], ...] = (
    ("zoned", 0),  # the package itself: a docstring and a version
    ("zoned.core", 1),
    ("zoned.core.names", 2),
    ("zoned.core.errors", 3),
    ("zoned.core.fingerprints", 3),
    ("zoned.core.promises", 4),
    ("zoned.core.records", 4),
    ("zoned.core.members", 5),
    ("zoned.core.events", 6),
    ("zoned.core.actions", 7),
    ("zoned.core.eviction", 8),
    ("zoned.core.ring", 9),
    *((f"zoned.core.{stage}", 10) for stage in STAGES),
    ("zoned.core.snapshot", 11),
    ("zoned.core.settings", 12),
    ("zoned.core.node", 14),  # with the node's other files: every further module right in zoned/core
    ("zoned.config", 20),
    ("zoned.journal", 20),
    ("zoned.models", 20),
    ("zoned.status", 30),
    ("zoned.daemon", 40),
    ("zoned.simulation", 40),
    ("zoned.demo", 50),
    ("zoned.cli", 60),
    ("zoned.__main__", 70),
)
# ring is the one stage whose value others hold; nobody else may reach for it.
MAY_IMPORT_RING = ("zoned.core.placement", "zoned.core.cache")

MAX_FILE_LINES = 400
# Files written before the limit bit; each entry is a debt: lower it, never raise it.
LONGER_FILES: dict[str, int] = {}
MAX_FUNCTION_LINES = 60
MAX_METHODS = 20
FORBIDDEN_NAMES = re.compile(r"(^|_)(util|utils|helper|helpers|common|manager|base|misc)(_|$)")
BANNED_IN_CORE = frozenset(
    {"asyncio", "socket", "select", "threading", "subprocess", "multiprocessing", "time", "uuid", "secrets"}
    | {"logging", "os", "pathlib", "tempfile", "aiohttp", "http", "urllib", "psutil"}
)
BANNED_CALLS = frozenset({"hash", "id", "open", "print", "input", "eval", "exec", "__import__"})
MACHINE_PATHS = re.compile(
    r"(?<![\w.])/(?:work|root|home/\w+|payload)/|index-url|--find-links|https?://[^\s\"'>)]*/simple/"
)

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


def sources(folder: Path) -> tuple[Path, ...]:
    """Every Python file below a folder, sorted."""
    return tuple(sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts))


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a file, parsed once for all tests."""
    return ast.parse(path.read_text(), filename=str(path))


def module_name(path: Path) -> str:
    """``zoned/core/ring/__init__.py`` -> ``zoned.core.ring``."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def unit_of(module: str) -> tuple[str, int]:
    """The entry of the table that a module belongs to, and its rank."""
    parent, _, last = module.rpartition(".")
    found = [
        (name, rank)
        for name, rank in RANKS
        if module == name or (module.startswith(name + ".") and name not in ("zoned", "zoned.core"))
    ]
    if not found and parent == "zoned.core" and not (PACKAGE / "core" / last).is_dir():
        return unit_of("zoned.core.node")
    assert found, f"{module} has no layer: add it to RANKS"
    return max(found, key=lambda entry: len(entry[0]))


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of everything imported from this package; names of a package may be modules too."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.startswith("zoned"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("zoned"):
            assert node.module is not None
            for alias in node.names:
                deeper = ROOT.joinpath(*node.module.split("."), alias.name)
                is_module = deeper.is_dir() or deeper.with_suffix(".py").exists()
                yield node.lineno, f"{node.module}.{alias.name}" if is_module else node.module


def functions(node: ast.AST) -> Iterator[Function]:
    """All functions and methods, nested ones too."""
    return (item for item in ast.walk(node) if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef))


def where(path: Path, line: int = 1) -> str:
    """``file:line`` for a message."""
    return f"{path.relative_to(ROOT)}:{line}"


def check(problems: list[str]) -> None:
    """Fail with every problem, one a line."""
    assert not problems, "\n" + "\n".join(problems)


def test_imports_point_downward() -> None:
    problems = []
    for path in sources(PACKAGE):
        unit, rank = unit_of(module_name(path))
        for line, target in imported(path):
            other, other_rank = unit_of(target)
            if other != unit and other_rank >= rank:
                problems.append(f"{where(path, line)}: {unit} must not import {target}")
            if other == "zoned.core.ring" and unit != other and rank == 10 and unit not in MAY_IMPORT_RING:
                problems.append(f"{where(path, line)}: only placement and cache may hold the Ring")
    check(problems)


def test_no_module_imports_in_circles() -> None:
    edges = {module_name(path): {target for _, target in imported(path)} for path in sources(PACKAGE)}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, "import cycle: " + " -> ".join((*trail, module))
        if module in done:
            return
        for target in sorted(edges.get(module, ())):
            if target != module:
                visit(target, (*trail, module))
        done.add(module)

    for module in sorted(edges):
        visit(module, ())


def test_no_import_hides_in_a_function() -> None:
    check(
        [
            f"{where(path, node.lineno)}: import inside {function.name}()"
            for path in sources(PACKAGE)
            for function in functions(tree(path))
            for node in ast.walk(function)
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]
    )


def test_core_imports_nothing_of_the_world() -> None:
    problems = []
    for path in sources(PACKAGE / "core"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            else:
                continue
            problems += [
                f"{where(path, node.lineno)}: core must not import {name}"
                for name in names
                if name.split(".")[0] in BANNED_IN_CORE
            ]
    check(problems)


def banned_call(node: ast.Call) -> str | None:
    """What a call does that the core may not: read a clock, chance, identity or the world."""
    match node.func:
        case ast.Name(id=name) if name in BANNED_CALLS:
            return f"{name}()"
        case ast.Attribute(value=ast.Name(id="random"), attr=attr) if attr != "Random":
            return f"random.{attr}()"
        case ast.Attribute(value=ast.Name(id="random"), attr="Random") if not node.args:
            return "random.Random() without a seed"
        case ast.Attribute(value=ast.Attribute(value=ast.Name(id="np" | "numpy"), attr="random"), attr=attr):
            return f"numpy.random.{attr}()"
        case ast.Attribute(attr="now" | "utcnow" | "today" as attr, value=of) if "date" in ast.unparse(of):
            return f"{ast.unparse(of)}.{attr}()"
    return None


def test_core_reads_no_clock_and_rolls_no_dice() -> None:
    check(
        [
            f"{where(path, node.lineno)}: {what} in core"
            for path in sources(PACKAGE / "core")
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Call) and (what := banned_call(node))
        ]
    )


def known_sets(node: ast.Module) -> frozenset[str]:
    """Names and attributes that are said or seen to be sets (``x: set[int]``, ``self.x = set()``)."""
    found = set()
    for item in ast.walk(node):
        if isinstance(item, ast.AnnAssign) and re.match(r"(frozen)?set\b", ast.unparse(item.annotation)):
            found.add(ast.unparse(item.target))
        elif isinstance(item, ast.Assign) and is_set(item.value, frozenset()):
            found.update(ast.unparse(target) for target in item.targets)
    return frozenset(found)


def is_set(node: ast.expr, names: frozenset[str]) -> bool:
    """Whether an expression is surely a set."""
    match node:
        case ast.Set() | ast.SetComp() | ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.Name() | ast.Attribute():
            return ast.unparse(node) in names
        case ast.BinOp(left=left, right=right, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor()):
            return is_set(left, names) or is_set(right, names)
    return False


ORDER_BLIND = frozenset({"any", "all", "len", "sorted", "set", "frozenset", "min", "max"})


def set_walks(node: ast.Module) -> Iterator[int]:
    """Lines that go through a set in its own order, where that order can show."""
    names = known_sets(node)
    blind: set[ast.AST] = set()
    for item in ast.walk(node):
        if isinstance(item, ast.Call) and isinstance(item.func, ast.Name) and item.func.id in ORDER_BLIND:
            blind.update(item.args)
    for item in ast.walk(node):
        if isinstance(item, ast.For | ast.AsyncFor) and is_set(item.iter, names):
            yield item.lineno
        elif isinstance(item, ast.ListComp | ast.GeneratorExp | ast.DictComp) and item not in blind:
            yield from (item.lineno for part in item.generators if is_set(part.iter, names))
        elif isinstance(item, ast.Call) and isinstance(item.func, ast.Name) and item not in blind:
            walks = item.func.id in {"list", "tuple", "iter", "enumerate", "next", "zip", "map", "sum"}
            if walks and any(is_set(argument, names) for argument in item.args):
                yield item.lineno


def test_core_never_walks_a_set() -> None:
    check(
        [
            f"{where(path, line)}: the order of a set is not repeatable; sort it or keep a dict"
            for path in sources(PACKAGE / "core")
            for line in set_walks(tree(path))
        ]
    )


def test_files_stay_readable() -> None:
    problems = []
    for path in sources(PACKAGE):
        name = str(path.relative_to(ROOT))
        lines = path.read_text().count("\n")
        if lines > LONGER_FILES.get(name, MAX_FILE_LINES):
            problems.append(f"{name}: {lines} lines, at most {LONGER_FILES.get(name, MAX_FILE_LINES)}")
    check(problems)


def test_functions_and_classes_stay_small() -> None:
    problems = []
    for path in sources(PACKAGE):
        for function in functions(tree(path)):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                problems.append(f"{where(path, function.lineno)}: {function.name}() has {lines} lines")
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                methods = sum(isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) for item in node.body)
                if methods > MAX_METHODS:
                    problems.append(f"{where(path, node.lineno)}: class {node.name} has {methods} methods")
    check(problems)


def declares_only(item: Function | ast.ClassDef) -> bool:
    """``def shard(self) -> int: ...`` in a Protocol: the class says what it is."""
    return isinstance(item, ast.FunctionDef) and ast.unparse(item.body[-1]) == "..." and len(item.body) == 1


def public(node: ast.Module | ast.ClassDef) -> Iterator[Function | ast.ClassDef]:
    """Public classes and functions of a module, and public methods of its public classes."""
    for item in node.body:
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not item.name.startswith("_") and not declares_only(item):
                yield item
                if isinstance(item, ast.ClassDef):
                    yield from public(item)


def test_public_things_say_what_they_are() -> None:
    problems = []
    for path in sources(PACKAGE):
        if not ast.get_docstring(tree(path)):
            problems.append(f"{where(path)}: no module docstring")
        problems += [
            f"{where(path, item.lineno)}: {item.name} has no docstring"
            for item in public(tree(path))
            if not ast.get_docstring(item)
        ]
    check(problems)


def test_file_names_say_what_is_inside() -> None:
    check([f"{where(path)}: says nothing" for path in sources(PACKAGE) if FORBIDDEN_NAMES.search(path.stem)])


def tracked() -> tuple[Path, ...]:
    """Every file that git knows."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout, so nobody knows what is tracked")
    return tuple(ROOT / name for name in listed.stdout.split("\0") if name)


def test_tracked_files_name_no_machine_and_no_registry() -> None:
    problems = []
    for path in tracked():
        if path == Path(__file__) or not path.is_file():
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue  # a picture, or a packed trace
        for number, line in enumerate(text.splitlines(), start=1):
            if MACHINE_PATHS.search(line):
                problems.append(f"{where(path, number)}: {line.strip()[:80]}")
    check(problems)
