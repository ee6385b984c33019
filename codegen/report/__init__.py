"""Reports: the same facts for a terminal, for programs and as a page with pictures."""

from __future__ import annotations

from codegen.report.describe import (
    describe_board,
    describe_image,
    describe_layers,
    describe_model,
    describe_stack,
)
from codegen.report.document import from_json, to_document, to_json
from codegen.report.html import to_html
from codegen.report.report import (
    BoardInfo,
    Frame,
    ImageInfo,
    LayerInfo,
    ModelInfo,
    Part,
    RegionUse,
    Report,
    Section,
    StackInfo,
    Symbol,
    TensorInfo,
)

__all__ = [
    "BoardInfo",
    "Frame",
    "ImageInfo",
    "LayerInfo",
    "ModelInfo",
    "Part",
    "RegionUse",
    "Report",
    "Section",
    "StackInfo",
    "Symbol",
    "TensorInfo",
    "describe_board",
    "describe_image",
    "describe_layers",
    "describe_model",
    "describe_stack",
    "from_json",
    "to_document",
    "to_html",
    "to_json",
]
