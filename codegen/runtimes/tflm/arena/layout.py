"""Sizes of C and C++ types on the target, read from the DWARF of what was compiled for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from micronets_gen.errors import ToolError
from micronets_gen.image.symbols import open_image

_TYPES = frozenset({"DW_TAG_structure_type", "DW_TAG_class_type"})
_SCOPES = frozenset({"DW_TAG_namespace"})
_QUALIFIERS = frozenset({"DW_TAG_typedef", "DW_TAG_const_type", "DW_TAG_volatile_type", "DW_TAG_array_type"})
_POINTER = 4
_SEPARATOR = "::"


@dataclass(frozen=True)
class Layout:
    """Size and alignment of a type, in bytes."""

    size: int
    align: int


@dataclass(frozen=True, order=True)
class TypeName:
    """A structure or class.

    Attributes:
        name: Qualified name; anonymous namespaces do not show in it (``tflite::OpData``).
        file: Name of a source that defines it, where it is looked for first; empty where any will do.
        local: Whether other sources use the name for something else.
    """

    name: str
    file: str = ""
    local: bool = False

    def __str__(self) -> str:
        return f"{self.name} of {self.file}" if self.local else self.name


def read_layouts(elf: Path, wanted: Iterable[TypeName]) -> Mapping[TypeName, Layout]:
    """Read the layouts of types from an image's debug information.

    Args:
        elf: An image, or an object file, compiled with ``-g``.
        wanted: The types.

    Returns:
        The layouts of those that were found: a type that nothing in the image uses has none.

    Raises:
        ToolError: the file cannot be read, or holds no debug information.
    """
    missing = set(wanted)
    found: dict[TypeName, Layout] = {}
    with open_image(elf) as image:
        if not image.has_dwarf_info():
            raise ToolError(
                "the image holds no debug information",
                where=str(elf),
                why="the sizes of the runtime's structures on the target are read from it",
                remedy="compile with -g, and do not strip the ELF file",
            )
        units = [
            (_text(u.get_top_DIE().attributes.get("DW_AT_name")), u)
            for u in image.get_dwarf_info().iter_CUs()
        ]
        # Most of an image's debug information is the C++ library's; where a type lives is known.
        for anywhere in (False, True):
            for source, unit in units:
                here = {t.name: t for t in missing if _lives(t, source) or (anywhere and not t.local)}
                for name, die in _definitions(unit.get_top_DIE(), "", _prefixes(here)) if here else ():
                    if (target := here.get(name)) in missing and (layout := _layout(die)) is not None:
                        found[target] = layout
                        missing.discard(target)
    return found


def _lives(name: TypeName, source: str) -> bool:
    return bool(name.file) and f"/{source}".endswith(f"/{name.file}")


def _prefixes(names: Iterable[str]) -> frozenset[str]:
    """Every enclosing scope of the names, and the names themselves."""
    parts = [name.split(_SEPARATOR) for name in names]
    return frozenset(_SEPARATOR.join(p[:i]) for p in parts for i in range(1, len(p) + 1))


def _definitions(parent: Any, scope: str, wanted: frozenset[str]) -> Iterable[tuple[str, Any]]:
    """Types by qualified name, descending only where a wanted one can be."""
    for die in parent.iter_children():
        name = _text(die.attributes.get("DW_AT_name"))
        full = f"{scope}{_SEPARATOR}{name}" if scope and name else scope or name
        if die.tag in _SCOPES:
            if not name or full in wanted:
                yield from _definitions(die, full, wanted)
        elif name and full in wanted:
            if die.tag in _TYPES:
                yield full, die
                yield from _definitions(die, full, wanted)
            elif die.tag == "DW_TAG_typedef":
                yield full, die


def _layout(die: Any) -> Layout | None:
    """Size and alignment of a type; None for one that is only declared.

    DWARF gives no alignment but that of ``alignas``; the rest follows from the members (AAPCS32, 4.1 and 4.3).
    """
    if "DW_AT_declaration" in die.attributes:
        return None
    if die.tag in _QUALIFIERS:
        if "DW_AT_type" not in die.attributes:
            return None
        # Of an array, only the alignment is ever asked for: it is a member.
        return _layout(die.get_DIE_from_attribute("DW_AT_type"))
    size_attribute = die.attributes.get("DW_AT_byte_size")
    size = size_attribute.value if size_attribute else _POINTER
    if die.tag not in _TYPES and die.tag != "DW_TAG_union_type":
        return Layout(size, min(size, 8))
    align = 1
    for member in die.iter_children():
        if member.tag in ("DW_TAG_member", "DW_TAG_inheritance") and "DW_AT_type" in member.attributes:
            if "DW_AT_external" in member.attributes or "DW_AT_const_value" in member.attributes:
                continue  # a static member
            inner = _layout(member.get_DIE_from_attribute("DW_AT_type"))
            align = max(align, inner.align if inner else _POINTER)
    stated = die.attributes.get("DW_AT_alignment")
    return Layout(size, max(align, stated.value if stated else 1))


def _text(attribute: Any) -> str:
    return attribute.value.decode("utf-8", "replace") if attribute is not None else ""
