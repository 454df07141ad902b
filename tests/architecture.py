"""The rules that imports cannot show, as one function from a module's source to its violations.

It reads calls and assignments in the syntax tree; it does not run anything. Covered: who writes
files, who moves weights, who prints, how long things are, how they are called and that they say
what they are. Not covered: what a sub-process does, a method reached through `getattr`, and an
`open` method whose mode is a variable (the plain function `open` is refused then).
"""

import ast
import re
from collections.abc import Iterator

FILE_LINES_LIMIT = 400
"""A file of this many lines fails."""
FUNCTION_LINES_LIMIT = 60
"""A function of this many lines, from `def` to its last line, fails."""

MAY_WRITE = ("ttt/store/",)
MAY_LEARN = (
    "ttt/changes/",
    "ttt/optim/",
    "ttt/text_lm/fit.py",
    "ttt/text_lm/fit_state.py",
    "ttt/text_lm/sleep/consolidate.py",
    "ttt/text_lm/sleep/influence.py",
    "ttt_ssm_nano/pretraining.py",
)
MAY_LOAD_WEIGHTS = (*MAY_LEARN, "ttt/store/", "ttt/core/restore.py")
# `restore.py` fills a model that it has just built and nobody else holds yet.

RESERVED_CALLS = (
    ("swap_in", ("ttt/changes/",), "replaces a session's plastic state; only ttt.changes does"),
    ("load_state_dict", MAY_LOAD_WEIGHTS, "loads weights into a live module"),
)

WRITING_METHODS = frozenset(
    "write_text write_bytes unlink rename mkdir makedirs rmdir touch symlink_to hardlink_to chmod "
    "tofile save_file save_pretrained rmtree copytree copyfile FileHandler RotatingFileHandler "
    "NamedTemporaryFile TemporaryDirectory TemporaryFile mkstemp mkdtemp".split()
)
WRITING_FUNCTIONS = frozenset(
    "os.write os.replace os.remove os.removedirs os.renames os.link os.symlink os.truncate "
    "os.ftruncate os.chown os.mkfifo os.system shutil.copy shutil.copy2 shutil.move "
    "torch.save numpy.save numpy.savez numpy.savez_compressed numpy.savetxt sqlite3.connect "
    "shelve.open dbm.open".split()
)
OPENERS = frozenset({"open", "fdopen", "memmap", "open_memmap", "ZipFile", "TarFile"})
MODE = re.compile(r"[rwaxbtU+c]{1,4}")
NAMELESS = frozenset({"util", "utils", "helper", "helpers", "misc", "common"})
WEIGHTS = frozenset({"data", "weight", "bias"})


def violations(source: str, where: str) -> list[str]:
    """List what one module does that only another room may do.

    Args:
        source: Its text.
        where: Its path from the project root, with forward slashes.

    Returns:
        One line `path:line what` per violation.
    """
    tree = ast.parse(source)
    found = [*_layout(source, tree, where)]
    names = _imported_names(tree)
    under_construction = _calls_in_constructors(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found.extend((node.lineno, what) for what in _writing(node, names, where))
            if node not in under_construction:
                found.extend((node.lineno, what) for what in _learning(node, names, where))
            if _full_name(node.func, names) in {"print", "builtins.print", "rich.print"}:
                found.append((node.lineno, "prints; only ttt.lib.terminal talks"))
        elif isinstance(node, ast.Attribute) and node.attr == "data":
            assigned = isinstance(node.ctx, ast.Store) and not _is_self(node.value)
            if assigned and not where.startswith(MAY_LEARN):
                found.append((node.lineno, "assigns .data, which moves weights"))
    return [f"{where}:{line} {what}" for line, what in found]


def _layout(source: str, tree: ast.Module, where: str) -> Iterator[tuple[int, str]]:
    """What a module is called, how long it is and that it says what it is for."""
    stem = where.rsplit("/", 1)[-1].removesuffix(".py")
    if stem in NAMELESS:
        yield 1, f"is called {stem}, which names nothing"
    if not (ast.get_docstring(tree) or "").strip():
        yield 1, "has no docstring"
    lines = len(source.splitlines())
    if lines >= FILE_LINES_LIMIT:
        yield lines, f"has {lines} lines"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length >= FUNCTION_LINES_LIMIT:
                yield node.lineno, f"{node.name} has {length} lines"


def _writing(call: ast.Call, names: dict[str, str], where: str) -> Iterator[str]:
    """Calls that write, create, move or delete files."""
    if where.startswith(MAY_WRITE):
        return
    full = _full_name(call.func, names)
    last = full.rsplit(".", 1)[-1]
    one_argument = len(call.args) == 1 and not call.keywords
    if full in WRITING_FUNCTIONS or last in WRITING_METHODS:
        yield f"calls {last}, which writes; only ttt.store does"
    elif last == "replace" and one_argument:  # str.replace takes two, dataclasses.replace keywords
        yield "calls Path.replace; only ttt.store does"
    elif full == "os.open":
        if not (len(call.args) == 2 and _full_name(call.args[1], names) == "os.O_RDONLY"):
            yield "calls os.open for more than reading; only ttt.store does"
    elif last in OPENERS and not _reads(call, full):
        yield f"calls {last} with a mode that may write; only ttt.store does"
    elif last == "savefig" and not _is_buffer(call):
        yield "saves a figure to a file; draw it into a buffer, ttt.store writes it"


def _reads(call: ast.Call, full: str) -> bool:
    """Whether a call that opens something visibly asks for reading only, or opens nothing."""
    if any(isinstance(n, ast.Attribute) and n.attr == "devnull" for n in ast.walk(call)):
        return True
    mode = next((keyword.value for keyword in call.keywords if keyword.arg == "mode"), None)
    if mode is None and full in {"open", "io.open", "os.fdopen"} and len(call.args) > 1:
        mode = call.args[1]
    if mode is None:
        literals = [a for a in call.args[:2] if isinstance(a, ast.Constant)]
        mode = next((a for a in literals if MODE.fullmatch(str(a.value))), None)
    if mode is None:
        return not full.endswith("memmap")  # numpy maps for writing when no mode is given
    return isinstance(mode, ast.Constant) and not set(str(mode.value)) & set("wax+")


def _is_buffer(call: ast.Call) -> bool:
    target = call.args[0] if call.args else None
    return isinstance(target, ast.Name) and "buffer" in target.id


def _learning(call: ast.Call, names: dict[str, str], where: str) -> Iterator[str]:
    """Calls that move weights: what a transaction must be able to check and to undo."""
    full = _full_name(call.func, names)
    last = full.rsplit(".", 1)[-1]
    is_method = isinstance(call.func, ast.Attribute)
    yield from (
        what for name, rooms, what in RESERVED_CALLS if last == name and not where.startswith(rooms)
    )
    if where.startswith(MAY_LEARN):
        return
    if full.startswith("torch.nn.init."):
        yield f"initialises weights with {last} outside of a constructor"
    elif last in {"copy_", "set_", "vector_to_parameters"} or re.fullmatch(r"_foreach_\w+_", last):
        yield f"calls {last}, which overwrites tensors"
    elif last == "step" and is_method and not call.args:  # a plant or a cell steps with arguments
        yield "steps an optimiser"
    elif re.fullmatch(r"[a-z]\w*[a-z]_", last) and last != "requires_grad_":
        chain = set(_full_name(call.func, {}).split(".")[:-1])
        if chain & WEIGHTS:
            yield f"calls {last} on a weight"


def _calls_in_constructors(tree: ast.Module) -> set[ast.Call]:
    """Calls inside `__init__`: a module under construction is nobody's model yet."""
    return {
        call
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and function.name == "__init__"
        for call in ast.walk(function)
        if isinstance(call, ast.Call)
    }


def _imported_names(tree: ast.Module) -> dict[str, str]:
    """What each imported name of a module stands for, in full."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update({a.asname: a.name for a in node.names if a.asname})
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update({a.asname or a.name: f"{node.module}.{a.name}" for a in node.names})
    return names


def _full_name(node: ast.expr, names: dict[str, str]) -> str:
    """The dotted name of an expression; `?` stands for what has none (a call, an item)."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    base = names.get(node.id, node.id) if isinstance(node, ast.Name) else "?"
    return ".".join([base, *reversed(parts)])


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"
