# SPDX-License-Identifier: Apache-2.0
"""Rules of the architecture that no linter checks: layers, call sites and public names."""

import ast
import importlib
import re
import string
import sys
from pathlib import Path

from oslotest import base

import rackspace_imagetasks
from rackspace_imagetasks.messages import Hint

PACKAGE = "rackspace_imagetasks"
CHECKOUT = Path(rackspace_imagetasks.__file__).parents[1]
EXAMPLES = CHECKOUT / "examples" / "python"
REFERENCE = CHECKOUT / "doc" / "source" / "reference"

# From the bottom to the top: a module imports from its own layer and from those below.
LAYERS = (
    {
        "bytesource", "events", "exceptions", "i18n", "messages", "ordered", "partfile",
        "profile", "progress", "shared_read", "text", "threads", "units",
    },
    {"formats", "http"},
    {"glance", "guest", "objects"},
    {"cloud", "content_policy", "policy", "regions", "sources"},
    {"batch"},
    {"jobs"},
    {"imagetasks"},
    {"osc"},
)  # fmt: skip
LAYER_OF = {unit: number for number, units in enumerate(LAYERS) for unit in units}
MAX_PARAMETERS = 8
HTTP_VERBS = {"delete", "get", "head", "patch", "post", "put", "request"}
# How code names a keystoneauth session or one of its adapters; openstacksdk's proxies are adapters.
ADAPTERS = re.compile(r"(^|\.)_?(adapter|session)$|\.(image|object_store)$")
COMMANDS = re.compile(
    r"(?<![\w-])--[a-z]|[`'](openstack|qemu-img|qemu-nbd|gunzip|truncate) |openstack image"
)


def module_name(path):
    parts = path.relative_to(CHECKOUT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {module_name(path): path for path in (CHECKOUT / PACKAGE).rglob("*.py")}
TREES = {name: ast.parse(path.read_text()) for name, path in PATHS.items()}
BELOW_OSC = {
    name: tree for name, tree in TREES.items() if name.split(".")[1:2] not in ([], ["osc"])
}


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


def runtime_imports(tree):
    """Yield the names, modules or not, of all imports that are not for type checkers alone."""
    ignored = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and id(node) not in ignored:
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and id(node) not in ignored:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def texts(tree):
    """Yield each string constant that is not a docstring; the parts of f-strings are constants."""
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in docstrings:
            yield node


class LayersTest(base.BaseTestCase):
    def test_units_have_a_layer(self):
        """Every top-level module and package has its place in the table."""
        self.assertEqual(set(), {unit(name) for name in PATHS} - LAYER_OF.keys() - {""})

    def test_no_upward_import(self):
        """No module imports from a layer above its own, not even for annotations."""
        wrong = [
            f"{name} imports {other}"
            for name, others in own_imports().items()
            for other in sorted(others)
            if name != PACKAGE and LAYER_OF.get(unit(other), 99) > LAYER_OF.get(unit(name), 99)
        ]
        self.assertEqual([], wrong)

    def test_private_modules_look_private(self):
        """Below `osc`, a module has a leading underscore if only its own package imports it."""
        graph = own_imports()
        for name in BELOW_OSC:
            package, _, module = name.rpartition(".")
            if package == PACKAGE or PATHS[name].stem == "__init__":
                continue
            importers = {importer for importer, others in graph.items() if name in others}
            outside = {one for one in importers if not f"{one}.".startswith(f"{package}.")}
            with self.subTest(name):
                self.assertEqual(not outside, module.startswith("_"), outside)

    def test_formats_and_http_are_independent(self):
        """The formats know no service, and HTTP does not know what it carries."""
        for lower in ("formats", "http"):
            known = {
                unit(other)
                for name, others in own_imports().items()
                if unit(name) == lower
                for other in others
            }
            self.assertEqual(set(), known - LAYERS[0] - {lower})

    def test_no_cycle(self):
        """Neither modules nor packages import each other in a circle."""
        modules = own_imports()
        self.assertEqual([], cycle({name: found - {name} for name, found in modules.items()}))
        packages = {}
        for name, found in modules.items():
            packages.setdefault(unit(name), set()).update(map(unit, found))
        self.assertEqual([], cycle({name: found - {name} for name, found in packages.items()}))

    def test_cycles_are_found(self):
        """The search for cycles finds one."""
        self.assertEqual(["b", "c", "b"], cycle({"a": {"b"}, "b": {"c", "d"}, "c": {"b"}}))

    def test_modules_do_not_import_the_public_face(self):
        """The package's own modules import names from where they are defined."""
        wrong = [name for name, found in own_imports().items() if PACKAGE in found]
        self.assertEqual([], wrong)


class RequestsTest(base.BaseTestCase):
    def test_http_libraries(self):
        """Only `http` uses requests, urllib3 and keystoneauth's adapters."""
        forbidden = re.compile(r"(requests|urllib3|keystoneauth1\.adapter)(\.|$)")
        wrong = [
            f"{name} imports {found}"
            for name, tree in TREES.items()
            for found in sorted(set(runtime_imports(tree)))
            if forbidden.match(found) and unit(name) != "http"
        ]
        self.assertEqual([], wrong)

    def test_request_functions(self):
        """Only `http` sends requests by a session or an adapter."""
        wrong = [
            f"{name}:{node.lineno} {ast.unparse(node.func)}"
            for name, tree in TREES.items()
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in HTTP_VERBS
            and ADAPTERS.search(ast.unparse(node.func.value))
            and unit(name) != "http"
        ]
        self.assertEqual([], wrong)


class TextTest(base.BaseTestCase):
    def test_text_is_made_printable_in_few_places(self):
        """Untrusted text is made safe where it leaves the program, not at each use."""
        callers = {
            name
            for name, tree in TREES.items()
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and ast.unparse(node.func).rpartition(".")[2] == "printable"
        }
        self.assertLessEqual(len(callers), 6, sorted(callers))

    def test_no_command_line_below_the_commands(self):
        """Only `osc` names options and commands; elsewhere a Hint says what to do."""
        wrong = [
            f"{name}:{node.lineno} {node.value!r}"
            for name, tree in BELOW_OSC.items()
            for node in texts(tree)
            if COMMANDS.search(node.value) and not self._is_argument(name, node.value)
        ]
        self.assertEqual([], wrong)

    def _is_argument(self, module, text):
        """Return whether a text is an option of a program that is run, or in what is read."""
        is_option = re.fullmatch(r"--[a-z-]+(=\S*)?", text) is not None
        return is_option and unit(module) in ("guest", "sources")


class HintsTest(base.BaseTestCase):
    def placeholders(self, wording):
        return {name for _, name, _, _ in string.Formatter().parse(wording) if name}

    def test_every_hint_is_used(self):
        """No hint is left over; each is given by code below the commands or in the commands."""
        sources = "".join(path.read_text() for path in PATHS.values())
        self.assertEqual([], [hint.name for hint in Hint if f"Hint.{hint.name}" not in sources])

    def test_wordings_of_the_commands(self):
        """Each wording for the commands says what the hint itself does not."""
        for hint, wording in importlib.import_module(f"{PACKAGE}.osc.hints").WORDINGS.items():
            self.assertNotEqual(hint.value, wording)
            self.assertTrue(wording.endswith("."), hint)

    def test_hints_are_sentences(self):
        """A hint for programs is a complete sentence without options and commands."""
        for hint in Hint:
            self.assertTrue(hint.value[0].isupper() or hint.value[0] == "{", hint)
            self.assertTrue(hint.value.endswith("."), hint)

    def test_hints_name_their_object(self):
        """A hint can be read by itself: it does not begin like "Convert it" or "If it is"."""
        wordings = importlib.import_module(f"{PACKAGE}.osc.hints").WORDINGS.values()
        for text in (*(hint.value for hint in Hint), *wordings):
            self.assertNotRegex(text, r"^(If )?(\w+ )?(it|its|them|they|this)\b")


class FunctionsTest(base.BaseTestCase):
    def test_parameters(self):
        """No function has more than eight parameters."""
        wrong = []
        for folder in (PACKAGE, "devcloud", "benchmarks", "examples"):
            for path in (CHECKOUT / folder).rglob("*.py"):
                for node in ast.walk(ast.parse(path.read_text())):
                    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                        given = node.args
                        names = [*given.posonlyargs, *given.args, *given.kwonlyargs]
                        names = [name.arg for name in names if name.arg not in ("self", "cls")]
                        if len(names) > MAX_PARAMETERS:
                            wrong.append(f"{path.relative_to(CHECKOUT)}:{node.lineno} {len(names)}")
        self.assertEqual([], wrong)


class PublicFaceTest(base.BaseTestCase):
    def example_imports(self):
        """Yield (file, module, name) for each name that the examples import."""
        for path in EXAMPLES.glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    yield from ((path.name, alias.name, "") for alias in node.names)
                elif isinstance(node, ast.ImportFrom):
                    yield from ((path.name, node.module, alias.name) for alias in node.names)

    def test_examples(self):
        """The examples use the public names, openstacksdk and the standard library alone."""
        own = {path.stem for path in EXAMPLES.glob("*.py")}
        found = list(self.example_imports())
        self.assertTrue(found)
        for file, module, name in found:
            top = module.partition(".")[0]
            if top == PACKAGE:
                self.assertEqual(PACKAGE, module, file)
                self.assertIn(name, rackspace_imagetasks.__all__, file)
            else:
                self.assertIn(top, {"openstack", *own, *sys.stdlib_module_names}, file)

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

    def test_public_names_are_documented(self):
        """Every public name is in the reference."""
        documented = [self.resolve(target) for target in self.documented()]
        missing = [
            name
            for name in rackspace_imagetasks.__all__
            if not any(getattr(rackspace_imagetasks, name) is found for found in documented)
        ]
        self.assertEqual([], missing)
