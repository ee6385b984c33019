"""Which files of TFLM, CMSIS-NN and their dependencies a model needs, found in the sources themselves.

- Headers: everything that is included, directly or not, whatever branch of the preprocessor includes it.
- TFLM's sources: the one beside each header in use (``x.h``: ``x.cc`` and ``x_common.cc``), and for each operator
  the kernel that defines its registration. The kernels of ``kernels/cmsis_nn`` take the place of those with the
  same name: both would be duplicate symbols.
- CMSIS-NN's sources: what the functions that the registrations lead to call, function by function.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from micronets_gen.errors import ToolError
from micronets_gen.runtimes.tflm.cpp import Source, Tree, reachable, reachable_texts
from micronets_gen.runtimes.tflm.limits import KernelLimits, read_limits
from micronets_gen.runtimes.tflm.operators import OperatorUse
from micronets_gen.runtimes.tflm.resolver import Entry, Method, choose_entries, parse_methods
from micronets_gen.runtimes.tflm.sources import SourceTree

MICRO = "tensorflow/lite/micro"
KERNELS = f"{MICRO}/kernels"
OPTIMISED = f"{KERNELS}/cmsis_nn"
RESOLVER = f"{MICRO}/micro_mutable_op_resolver.h"
INTERPRETER = f"{MICRO}/micro_interpreter.h"

_REGISTRATION = re.compile(r"^TFLMRegistration\*? (Register_\w+)\(\s*\)\s*\{", re.MULTILINE)
_DECLARATION = re.compile(r"^TFLMRegistration\*? (Register_\w+)\(\s*\);", re.MULTILINE)
# They declare or log for every target: what they include says nothing of what a model needs.
_CATALOGUES = frozenset({RESOLVER, f"{KERNELS}/micro_ops.h"})
_LEFT_OUT = frozenset(
    {
        # The project brings its own, over the board's UART.
        f"{MICRO}/debug_log.cc",
        f"{MICRO}/system_setup.cc",
        # Dynamic memory: not for TF_LITE_STATIC_MEMORY.
        "tensorflow/lite/array.cc",
    }
)
_THIRD_PARTY = {"flatbuffers": ("include",), "gemmlowp": ("",), "ruy": ("",)}


@dataclass(frozen=True)
class Kernel:
    """How one kind of operator is executed.

    Attributes:
        file: The source that defines the registration.
        header: The one that declares it, where the resolver's header does not.
        functions: Functions of CMSIS-NN that it leads to directly, sorted; empty for a reference kernel.
    """

    entry: Entry
    file: str
    header: str
    functions: tuple[str, ...]

    @property
    def optimised(self) -> bool:
        """Whether it leads to a function of CMSIS-NN."""
        return bool(self.functions)


@dataclass(frozen=True)
class Vendored:
    """Files by path in their library; ``third_party`` paths begin with the repository's key."""

    core: Mapping[str, str]
    kernels: Mapping[str, str]
    cmsis_nn: Mapping[str, str]
    third_party: Mapping[str, str]
    operators: tuple[Kernel, ...]


class Vendor:
    """The sources, read as far as they were asked for."""

    def __init__(self, sources: SourceTree) -> None:
        roots = {"tflm": ("",), "cmsis_nn": ("", "Include"), **_THIRD_PARTY}
        self._trees = {key: Tree(sources.checkouts[key], roots[key]) for key in roots}

    def collect(self, uses: Iterable[OperatorUse], where: str) -> Vendored:
        """Return the files for a model with these operators.

        Args:
            where: The model, for messages.

        Raises:
            ModelError: TFLM has no kernel for an operator.
            ToolError: the sources are not those of TFLM and CMSIS-NN, or of a layout that is not known.
        """
        tflm, cmsis_nn = self._trees["tflm"], self._trees["cmsis_nn"]
        self._require_layout()
        usable = self._registrations.keys() & self._declarations.keys()
        entries = choose_entries(uses, self._methods, usable, where)
        homes = {entry.kind: self._registrations[entry.registration] for entry in entries}
        headers = {
            entry.kind: self._declarations[entry.registration] for entry in entries if entry.specialised
        }
        start = (RESOLVER, INTERPRETER, *homes.values(), *headers.values())
        nodes = self._closure([("tflm", path) for path in start])
        core = {path for key, path in nodes if key == "tflm"}
        kernels = {path for path in core if path.startswith(f"{KERNELS}/") and path.endswith(".cc")}
        operators, functions = self._operators(entries, homes, headers, kernels)
        objects, _ = reachable(functions, self._cmsis_nn)
        nodes |= self._closure([("cmsis_nn", path) for path in objects if path.endswith(".c")])
        return Vendored(
            core={path: tflm.source(path).text for path in sorted(core - kernels)},
            kernels={path: tflm.source(path).text for path in sorted(kernels)},
            cmsis_nn={path: cmsis_nn.source(path).text for key, path in sorted(nodes) if key == "cmsis_nn"},
            third_party={
                f"{key}/{path}": self._trees[key].source(path).text
                for key, path in sorted(nodes)
                if key in _THIRD_PARTY
            },
            operators=operators,
        )

    def limits(self, kind: str) -> KernelLimits | None:
        """Return what the kernel of an operator accepts; ``None`` where TFLM has none.

        Raises:
            ToolError: as :meth:`collect`.
        """
        self._require_layout()
        if kind not in self._limits:
            self._limits[kind] = self._read_limits(kind)
        return self._limits[kind]

    def _read_limits(self, kind: str) -> KernelLimits | None:
        method = self._methods.get(kind)
        home = self._registrations.get(method.registration) if method else None
        if method is None or home is None:
            return None
        tflm = self._trees["tflm"]
        headers = (tflm.resolve(include) for include in tflm.source(home).includes)
        paths = {
            home,
            *(c for h in headers if h and h.startswith(f"{KERNELS}/") for c in self._companions(h)),
        }
        files = {path: tflm.source(path) for path in sorted(paths)}
        functions = reachable_texts([method.registration], files)
        return read_limits(kind, functions, [source.code for source in files.values()])

    def _require_layout(self) -> None:
        tflm = self._trees["tflm"]
        for path in (RESOLVER, INTERPRETER):
            if not tflm.checkout.has(path):
                raise ToolError(
                    "these are not the sources of TensorFlow Lite Micro",
                    where=str(tflm.checkout.folder / path),
                )

    @cached_property
    def _limits(self) -> dict[str, KernelLimits | None]:
        return {}

    @cached_property
    def _methods(self) -> dict[str, Method]:
        return parse_methods(self._trees["tflm"].source(RESOLVER))

    @cached_property
    def _registrations(self) -> dict[str, str]:
        """The kernel source of each registration; CMSIS-NN's where there is one."""
        tflm = self._trees["tflm"]
        found: dict[str, str] = {}
        for folder in (KERNELS, OPTIMISED):
            for name in tflm.checkout.names(folder, ".cc"):
                path = self._preferred(f"{folder}/{name}")
                if not name.endswith("_test.cc"):
                    found |= dict.fromkeys(_REGISTRATION.findall(tflm.source(path).text), path)
        return found

    @cached_property
    def _declarations(self) -> dict[str, str]:
        """The header that declares each registration; an inline one is another's name, and no declaration."""
        tflm = self._trees["tflm"]
        found: dict[str, str] = {}
        for name in reversed(tflm.checkout.names(KERNELS, ".h")):
            path = f"{KERNELS}/{name}"
            found |= dict.fromkeys(_DECLARATION.findall(tflm.source(path).text), path)
        return found

    @cached_property
    def _cmsis_nn(self) -> dict[str, Source]:
        tree = self._trees["cmsis_nn"]
        paths = tree.checkout.paths(("Include", "Source"), (".c", ".h"))
        return {path: tree.source(path) for path in paths}

    def _preferred(self, path: str) -> str:
        """Return CMSIS-NN's version of a kernel's source, where there is one."""
        folder, _, name = path.rpartition("/")
        optimised = f"{OPTIMISED}/{name}"
        return optimised if folder == KERNELS and self._trees["tflm"].checkout.has(optimised) else path

    def _operators(
        self,
        entries: Iterable[Entry],
        homes: Mapping[str, str],
        headers: Mapping[str, str],
        kernels: Iterable[str],
    ) -> tuple[tuple[Kernel, ...], frozenset[str]]:
        """Return how each kind is executed, and every function of CMSIS-NN that is called directly."""
        files = {path: self._trees["tflm"].source(path) for path in sorted(kernels)}
        exported = {
            definition.name
            for path, source in self._cmsis_nn.items()
            if path.endswith(".c")
            for definition in source.definitions
            if not definition.local
        }
        operators = []
        for entry in entries:
            _, words = reachable([entry.registration], files)
            functions = tuple(sorted(words & exported))
            operators.append(Kernel(entry, homes[entry.kind], headers.get(entry.kind, ""), functions))
        return tuple(operators), frozenset(name for kernel in operators for name in kernel.functions)

    def _closure(self, start: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return the given files with everything that they include, and the sources of what is included."""
        found: set[tuple[str, str]] = set()
        # A file may be reached through a catalogue first, and again by one that uses it.
        expanded: set[tuple[str, str, bool]] = set()
        waiting = [(*node, True) for node in start]
        for key, path in start:
            if key == "tflm" and path not in _CATALOGUES:
                waiting.extend(("tflm", source, True) for source in self._companions(path))
        while waiting:
            key, path, used = node = waiting.pop()
            if node in expanded or (not used and (key, path, True) in expanded):
                continue
            expanded.add(node)
            found.add((key, path))
            used = used and path not in _CATALOGUES
            for include in self._trees[key].source(path).includes:
                target = self._resolve(include, key, path)
                if target is None:
                    continue
                waiting.append((*target, used))
                if used and target[0] == "tflm":
                    waiting.extend(("tflm", source, True) for source in self._companions(target[1]))
        return found

    def _resolve(self, include: str, key: str, path: str) -> tuple[str, str] | None:
        """Return tree and path of an included file; ``None`` for one of the compiler's."""
        here = self._trees[key].resolve(include, path)
        if here is not None:
            return key, here
        for other, tree in self._trees.items():
            found = tree.resolve(include) if other != key else None
            if found is not None:
                return other, found
        return None

    def _companions(self, header: str) -> Iterator[str]:
        stem = header.removesuffix(".h")
        for suffix in ("", "_common"):
            path = self._preferred(f"{stem}{suffix}.cc")
            if self._trees["tflm"].checkout.has(path) and path not in _LEFT_OUT:
                yield path
