"""Which modules of a package import which, read from their source: imports inside functions count too."""

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

Graph = dict[str, set[str]]  # the modules that each module imports


def read_graph(package: Path) -> Graph:
    """The graph of all files of the package in the folder `package`. An import under `if TYPE_CHECKING` is none."""
    sources = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        sources[name] = (path.read_text(encoding="utf-8"), is_package)
    return {
        name: imported_modules(source, name, is_package, sources) - {name}
        for name, (source, is_package) in sources.items()
    }


def imported_modules(source: str, name: str, is_package: bool, known: Mapping[str, object]) -> set[str]:
    """The modules among `known` that the source of the module `name` imports.

    A string that is a known module's dotted name counts as an import: `import_module`, `python -m` and the table of
    public names take such strings.
    """
    targets = set()
    for node in _nodes(ast.parse(source)):
        if isinstance(node, ast.Import):
            targets.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, name, is_package)
            full_names = {alias.name: f"{base}.{alias.name}" for alias in node.names}
            targets.update(full if full in known else base for full in full_names.values())
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
            targets.add(node.value)
    return targets & set(known)


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING`."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield from _nodes(other)
        else:
            yield from _nodes(child)


def _absolute(node: ast.ImportFrom, name: str, is_package: bool) -> str:
    """The module that `from ... import` names, where it counts from the module `name`."""
    if not node.level:
        return node.module
    parts = name.split(".")
    parts = parts[: len(parts) - node.level + is_package]
    return ".".join([*parts, node.module] if node.module else parts)


def find_circle(graph: Graph) -> list[str]:
    """The modules of one circle, the first repeated at the end; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def arrows_up(graph: Graph, ranks: Mapping[str, int], side_rooms: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """The imports, as (importer, imported), that the order of the rooms forbids.

    Args:
        graph: of a package whose rooms are its folders; its own `__init__.py` is the room "".
        ranks: of the rooms in one order. A room may import rooms of lower rank and itself.
        side_rooms: the rooms outside that order, each with the rooms that it may not import. All may import them.

    Modules that lie in no room may import no room.
    """
    forbidden = []
    for importer, targets in graph.items():
        source = _room(importer, ranks, side_rooms)
        for imported in targets:
            target = _room(imported, ranks, side_rooms)
            if target is None or source == target:
                continue
            if source is None:
                allowed = False
            elif source in side_rooms:
                allowed = target not in side_rooms[source]
            else:
                allowed = target in side_rooms or ranks[target] < ranks[source]
            if not allowed:
                forbidden.append((importer, imported))
    return sorted(forbidden)


def _room(module: str, ranks: Mapping[str, int], side_rooms: Mapping[str, set[str]]) -> str | None:
    """The room of a module; None for a file beside the rooms."""
    _, _, rest = module.partition(".")
    room = rest.split(".")[0]
    return room if room in ranks or room in side_rooms else None
