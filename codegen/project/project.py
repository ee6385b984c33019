"""Which files a project has, and what they hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from micronets_gen.boards.board import Board
from micronets_gen.common.resources import data_dir, package_dir
from micronets_gen.common.templates import render, template_text
from micronets_gen.common.version import VERSION
from micronets_gen.emulate.files import BOARD_JSON, IDENTITY_JSON
from micronets_gen.emulate.run import describe
from micronets_gen.model.graph import Tensor
from micronets_gen.plan.plan import Plan
from micronets_gen.project.lock import Inputs, content_hash
from micronets_gen.project.selftest import identity, selftest_files
from micronets_gen.project.vectors import Vectors
from micronets_gen.project.write import Written, write_files
from micronets_gen.runtimes.base import PROFILE, RELEASE, Environment, Sources
from micronets_gen.runtimes.registry import runtime_kind

PLATFORM = "pio/micronets"
TOOLS = {"platformio": "6.2.0", "scons": "4.11.1", "unicorn": "2.1.4"}
"""What the workflow of a project installs, in the versions that projects were tried with."""


@dataclass(frozen=True, eq=False)
class Project:
    """A project before it is written.

    Attributes:
        files: Generated files by relative POSIX path.
        user_files: First versions of the files that belong to the user.
        inputs: What it was made of.
    """

    files: Mapping[str, bytes]
    user_files: Mapping[str, bytes]
    inputs: Inputs

    def write(
        self,
        root: Path,
        *,
        force: bool = False,
        tell: Callable[[str], None] = lambda _text: None,
        also: Sequence[str] = (),
    ) -> Written:
        """Write it to ``root``; see :func:`micronets_gen.project.write.write_files`."""
        return write_files(
            root,
            self.files,
            inputs=self.inputs,
            user_files=self.user_files,
            force=force,
            tell=tell,
            also=also,
        )


@dataclass(frozen=True)
class Library:
    """How PlatformIO compiles ``lib/<name>``, apart from the flags of the environment."""

    flags: tuple[str, ...] = ("-Werror",)
    build: Mapping[str, object] = field(default_factory=dict)
    dependencies: tuple[str, ...] = ()

    @classmethod
    def with_dependencies(
        cls, flags: Sequence[str], dependencies: Sequence[str], unflags: Sequence[str] = ()
    ) -> Library:
        """Return a library that names what it depends on, so that PlatformIO need not read its sources."""
        build = {"unflags": list(unflags), "includeDir": ".", "srcDir": ".", "libLDFMode": "off"}
        return cls(tuple(flags), build, tuple(dependencies))

    def manifest(self, name: str, description: str) -> str:
        """Return ``library.json``."""
        # Objects, not an archive: the linker would not pull the vector table out of one.
        build = {**self.build, "flags": list(self.flags), "libArchive": False}
        manifest: dict[str, object] = {
            "name": name,
            "version": "1.0.0",
            "description": description,
            "build": build,
        }
        if self.dependencies:
            manifest["dependencies"] = [{"name": dependency} for dependency in self.dependencies]
        return _json(manifest)


def project_files(
    plan: Plan, vectors: Vectors, sources: Sources, board_files: Mapping[str, str], *, about: str = ""
) -> Project:
    """Assemble a project.

    Args:
        plan: What is built for which board.
        vectors: Golden vectors of the plan's model.
        sources: What the runtime makes of the plan.
        board_files: ``lib/board`` by name, without ``library.json``.
        about: What the project's README says of the model.
    """
    values = {**_values(plan, vectors, sources), "about": about}
    files: dict[str, str | bytes] = {
        "platformio.ini": render("project/platformio.ini.j2", **values),
        "README.md": render("project/README.md.j2", **values),
        ".clang-format": template_text(".clang-format"),
        ".gitignore": template_text("project/gitignore"),
        ".github/workflows/firmware.yml": render("project/firmware.yml.j2", **values),
        "test/test_custom_runner.py": template_text("project/test_custom_runner.py"),
        "test/test_model/test_main.c": template_text("project/test_main.c"),
        **_libraries(plan, vectors, sources, board_files),
        **_under(PLATFORM, platform_files(plan.board)),
        f"{PLATFORM}/tools/{IDENTITY_JSON}": _json(identity(plan, vectors)),
        **sources.documents,
    }
    user_files: dict[str, str | bytes] = {
        "src/main.c": render("project/main.c.j2", **values),
        "user.ini": render("project/user.ini.j2", **values),
    }
    return Project(_encode(files), _encode(user_files), _inputs(plan, vectors, sources))


def _libraries(
    plan: Plan, vectors: Vectors, sources: Sources, board_files: Mapping[str, str]
) -> dict[str, str | bytes]:
    """Return ``lib``: what the model runs on, the model, its test, and what the runtime brings along."""
    model = (
        Library.with_dependencies(sources.flags, sources.dependencies)
        if sources.dependencies
        else Library(sources.flags)
    )
    libraries: list[tuple[str, str, Mapping[str, str | bytes], Library]] = [
        ("board", f"Start-up code and drivers of {plan.board.title}", dict(board_files), Library()),
        ("model", f"The model {plan.model_name}", dict(sources.files), model),
        ("selftest", "Golden vectors and the self-test", dict(selftest_files(plan, vectors)), Library()),
        *(
            (
                library.name,
                library.description,
                dict(library.files),
                Library.with_dependencies(library.flags, library.dependencies, library.unflags),
            )
            for library in sources.libraries
        ),
    ]
    files: dict[str, str | bytes] = {}
    for name, description, content, how in libraries:
        files |= _under(f"lib/{name}", content)
        files[f"lib/{name}/library.json"] = how.manifest(name, description)
    return files


def _inputs(plan: Plan, vectors: Vectors, sources: Sources) -> Inputs:
    board = plan.board
    return Inputs(
        model=plan.model_name,
        model_sha256=plan.graph.sha256,
        board=board.name,
        board_sha256=content_hash(Path(board.path).read_bytes()) if board.path else "",
        runtime=plan.runtime,
        pins=dict(sources.pins),
        optimize=plan.arenas.optimize if plan.arenas else "",
        vectors=vectors.source,
    )


def environments(board: Board) -> tuple[str, str]:
    """Return the names of the release and of the profiled PlatformIO environment."""
    return RELEASE.name(board.name), PROFILE.name(board.name)


def platform_files(board: Board) -> dict[str, str]:
    """Return the bundled development platform, relative to its folder."""
    folder = data_dir("templates") / "platform"
    files = {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".py", ".json")
    }
    files[f"boards/{board.name}.json"] = board_manifest(board)
    files[f"tools/{BOARD_JSON}"] = _json(describe(board))
    files.update(emulator_files())
    return files


def emulator_files() -> dict[str, str]:
    """Return a copy of :mod:`micronets_gen.emulate`, which depends on nothing of micronets-gen, under ``tools``."""
    package = package_dir("emulate")
    return {
        f"tools/emulate/{path.relative_to(package).as_posix()}": path.read_text(encoding="utf-8")
        for path in sorted(package.rglob("*.py"))
    }


def board_manifest(board: Board) -> str:
    """Return ``boards/<board>.json``: PlatformIO's description of the board."""
    upload = board.upload
    return _json(
        {
            "name": board.title,
            "vendor": board.vendor,
            "url": board.url,
            "frameworks": [],
            "build": {
                "mcu": board.mcu,
                "cpu": board.core,
                "f_cpu": f"{board.clock_hz}L",
                "machine_flags": list(board.cpu_flags),
            },
            "upload": {
                "maximum_size": board.flash_bytes,
                "maximum_ram_size": board.ram_bytes,
                "protocol": upload.protocols[0] if upload else "",
                "protocols": list(upload.protocols) if upload else [],
                "openocd_interface": upload.openocd_interface if upload else "",
                "openocd_target": upload.openocd_target if upload else "",
                "jlink_device": upload.jlink_device if upload else "",
            },
        }
    )


def _values(plan: Plan, vectors: Vectors, sources: Sources) -> dict[str, object]:
    """Return the plain values of the project's templates."""
    board, graph = plan.board, plan.graph
    return {
        "title": f"{plan.model_name} on {board.title}",
        "model": plan.model_name,
        "board": board.name,
        "board_title": board.title,
        "runtime": runtime_kind(plan.runtime).title,
        "version": VERSION,
        "baud": board.uart.baud,
        "flash_bytes": board.flash_bytes,
        "ram_bytes": board.ram_bytes,
        "protocols": list(board.upload.protocols) if board.upload else [],
        "emulator": board.emulator.kind if board.emulator else "",
        "tools": [
            f"{name}=={version}"
            for name, version in TOOLS.items()
            if name != "unicorn" or (board.emulator and board.emulator.kind == "virtual")
        ],
        "libraries": bool(sources.libraries),
        "environments": [_environment_values(e, board) for e in sources.environments],
        "vectors": vectors.count,
        "input": _tensor_values(graph.tensor(graph.inputs[0])),
        "output": _tensor_values(graph.tensor(graph.outputs[0])),
    }


def _environment_values(environment: Environment, board: Board) -> dict[str, str]:
    name = environment.name(board.name)
    return {
        "name": name,
        "purpose": environment.purpose.format(name=name),
        "flags": " ".join(environment.flags),
    }


def _tensor_values(tensor: Tensor) -> dict[str, object]:
    formula = ""
    if tensor.quantization and not tensor.quantization.per_channel:
        formula = f"{tensor.scale!r} * (q - {tensor.zero_point})"
        formula = formula.replace("- -", "+ ")
    return {
        "ctype": tensor.dtype.c,
        "elements": tensor.elements,
        "shape": "x".join(map(str, tensor.shape)) or "scalar",
        "formula": formula,
    }


def _under(folder: str, files: Mapping[str, str | bytes]) -> dict[str, str | bytes]:
    return {f"{folder}/{name}": content for name, content in files.items()}


def _encode(files: Mapping[str, str | bytes]) -> dict[str, bytes]:
    return {
        name: content if isinstance(content, bytes) else content.encode()
        for name, content in sorted(files.items())
    }


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
