# SPDX-License-Identifier: Apache-2.0
"""Rules of the architecture that no linter checks: layers, call sites and public names."""

import ast
import importlib
import re
from pathlib import Path

from oslotest import base

import rackspace_imagetasks
from rackspace_imagetasks.messages import Hint

PACKAGE = "rackspace_imagetasks"
CHECKOUT = Path(rackspace_imagetasks.__file__).parents[1]
REFERENCE = CHECKOUT / "doc" / "source" / "reference"

# From the bottom to the top: a module imports from its own layer and from those below.
LAYERS = (
    {
        "bytesource", "exceptions", "i18n", "messages", "partfile", "profile", "progress", "text",
        "threads", "units",
    },
    {"formats", "http"},
    {"glance", "objects"},
    {"cloud", "policy", "sources"},
    {"jobs"},
    {"batch"},
    {"imagetasks"},
    {"osc"},
)  # fmt: skip
LAYER_OF = {unit: number for number, units in enumerate(LAYERS) for unit in units}


def module_name(path):
    parts = path.relative_to(CHECKOUT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {module_name(path): path for path in (CHECKOUT / PACKAGE).rglob("*.py")}
TREES = {name: ast.parse(path.read_text()) for name, path in PATHS.items()}


def imports(tree):
    """Yield each imported module; for `from a import b` that is a.b if it is a module, else a."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in PATHS else node.module


def unit(module):
    """Return the top-level module or package below the package, '' for the package itself."""
    return module.partition(".")[2].partition(".")[0]


def own_imports():
    """Return the graph of the package's modules."""
    return {
        name: {found for found in imports(tree) if found.partition(".")[0] == PACKAGE}
        for name, tree in TREES.items()
    }


def cycle(graph):
    """Return a cycle of a graph as a list of its nodes, empty if there is none."""
    done, path = set(), []

    def visit(node):
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        path.append(node)
        for other in sorted(graph.get(node, ())):
            if found := visit(other):
                return found
        done.add(path.pop())
        return []

    return next((found for node in sorted(graph) if (found := visit(node))), [])


class LayersTest(base.BaseTestCase):
    def test_units_have_a_layer(self):
        """Every top-level module and package has its place in the table."""
        self.assertEqual(set(), {unit(name) for name in PATHS} - LAYER_OF.keys() - {""})

    def test_cycles_are_found(self):
        """The search for cycles finds one."""
        self.assertEqual(["b", "c", "b"], cycle({"a": {"b"}, "b": {"c", "d"}, "c": {"b"}}))

    def test_modules_do_not_import_the_public_face(self):
        """The package's own modules import names from where they are defined."""
        wrong = [name for name, found in own_imports().items() if PACKAGE in found]
        self.assertEqual([], wrong)


class HintsTest(base.BaseTestCase):
    def test_hints_are_sentences(self):
        """A hint for programs is a complete sentence without options and commands."""
        for hint in Hint:
            self.assertTrue(hint.value[0].isupper() or hint.value[0] == "{", hint)
            self.assertTrue(hint.value.endswith("."), hint)


class PublicFaceTest(base.BaseTestCase):
    def documented(self):
        """Return the targets of the reference's autodoc directives."""
        targets = []
        for path in sorted(REFERENCE.rglob("*.rst")):
            found = re.findall(r"^ *\.\. auto\w+:: *([\w.]+)", path.read_text(), re.MULTILINE)
            targets += [target for target in found if target.partition(".")[0] == PACKAGE]
        self.assertTrue(targets)
        return targets

    def resolve(self, target):
        """Import what an autodoc directive names."""
        parts = target.split(".")
        for count in range(len(parts), 0, -1):
            try:
                found = importlib.import_module(".".join(parts[:count]))
            except ModuleNotFoundError:
                continue
            for name in parts[count:]:
                found = getattr(found, name)
            return found
        raise AssertionError(f"{target} cannot be imported")

    def test_documented_names_exist(self):
        """Every name in the reference can be imported as it is documented."""
        for target in self.documented():
            self.assertIsNotNone(self.resolve(target), target)
