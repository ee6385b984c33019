"""Layouts from debug information against what the compiler itself says of its types."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from micronets_gen.errors import ToolError
from micronets_gen.runtimes.tflm.arena.layout import Layout, TypeName, read_layouts

needs_compiler = pytest.mark.needs("c++")

_TYPES = {
    "Small": "space::Small",
    "Wide": "space::Wide",
    "Derived": "space::Derived",
    "Virtual": "space::Virtual",
    "Virtual::Inner": "space::Virtual::Inner",
    "Local": "space::Local",
    "Unnamed": "Unnamed",
    "Aligned": "space::Aligned",
    "Matrix": "space::Matrix",
    "Choice": "space::Choice",
}
_CODE = """
typedef struct { enum { kA, kB } kind; bool flag; } Unnamed;
namespace space {
struct Small { bool a; bool b; };
struct Wide { char c; long long wide; char d; };
struct Derived : Small { short s; static long long shared; };
class Virtual { public: virtual ~Virtual() {} struct Inner { int a; char b; }; private: Inner inner_; char c_; };
namespace { struct Local { const char *text; Wide wide; }; }
struct alignas(16) Aligned { char c; };
struct Matrix { const volatile short rows[3][5]; char c; };
struct Choice { union { char c; double d; } u; char c; };
}
using namespace space;
#define TELL(n, T) extern const char size_##n[sizeof(T)] = {}; extern const char align_##n[alignof(T)] = {}; T *use_##n;
TELL(0, Small) TELL(1, Wide) TELL(2, Derived) TELL(3, Virtual) TELL(4, Virtual::Inner) TELL(5, Local)
TELL(6, Unnamed) TELL(7, Aligned) TELL(8, Matrix) TELL(9, Choice)
Virtual instance;
"""


def _compile(folder: Path, name: str, code: str, *flags: str) -> Path:
    source = folder / name
    source.write_text(code, encoding="utf-8")
    command = ["arm-none-eabi-g++", "-mcpu=cortex-m4", "-mthumb", "-std=c++17", *flags, "-c", str(source)]
    subprocess.run([*command, "-o", str(source.with_suffix(".o"))], check=True, cwd=folder)
    return source.with_suffix(".o")


@needs_compiler
def test_sizes_and_alignments(tmp_path: Path) -> None:
    image = _compile(tmp_path, "types.cc", _CODE, "-g")
    with image.open("rb") as stream:
        symbols = {
            s.name: s["st_size"] for s in ELFFile(stream).get_section_by_name(".symtab").iter_symbols()
        }
    told = {
        name: Layout(symbols[f"size_{i}"], symbols[f"align_{i}"]) for i, name in enumerate(_TYPES.values())
    }
    found = read_layouts(image, [TypeName(name) for name in _TYPES.values()])
    assert {str(name): layout for name, layout in found.items()} == told
    assert told["space::Wide"] == Layout(24, 8)


@needs_compiler
def test_one_name_in_several_sources(tmp_path: Path) -> None:
    objects = [
        _compile(
            tmp_path,
            f"{name}.cc",
            f"namespace {{ struct Data {{ int x[{n}]; }}; }} Data {name}_data;\n",
            "-g",
        )
        for name, n in (("one", 1), ("other_one", 5))
    ]
    image = tmp_path / "both.o"
    subprocess.run(["arm-none-eabi-ld", "-r", *map(str, objects), "-o", str(image)], check=True)
    names = [TypeName("Data", "one.cc", local=True), TypeName("Data", "other_one.cc", local=True)]
    found = read_layouts(image, names)
    assert [found[name].size for name in names] == [4, 20]
    assert [str(name) for name in names] == ["Data of one.cc", "Data of other_one.cc"]


@needs_compiler
def test_what_is_only_declared_is_not_found(tmp_path: Path) -> None:
    image = _compile(tmp_path, "declared.cc", "struct Opaque; Opaque *pointer;\n", "-g")
    assert read_layouts(image, [TypeName("Opaque"), TypeName("Absent")]) == {}


@needs_compiler
def test_an_image_without_debug_information_is_refused(tmp_path: Path) -> None:
    image = _compile(tmp_path, "bare.cc", "int x;\n")
    with pytest.raises(ToolError, match="no debug information"):
        read_layouts(image, [TypeName("Data")])
