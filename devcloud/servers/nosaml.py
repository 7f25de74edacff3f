# SPDX-License-Identifier: Apache-2.0
"""Keystone without pysaml2, whose import takes a third of the time that Keystone needs to start.

SAML federation does not work without it; no other part of Keystone uses the module.
"""

import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Sequence


class _AnyAttribute(type):
    def __getattr__(cls, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls


class _Stub(metaclass=_AnyAttribute):
    pass


class _Module(types.ModuleType):
    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Stub


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] == "saml2":
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def install() -> None:
    """Replace saml2 with a stub for all later imports."""
    sys.meta_path.insert(0, _Finder())
