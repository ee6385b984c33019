"""What can go wrong with the sources of the tflm runtime."""

from __future__ import annotations

from micronets_gen.errors import ToolError


class SourcesError(ToolError):
    """The sources cannot be fetched, imported or trusted."""


class SourcesMissing(SourcesError):  # noqa: N818  reads as what it says
    """Sources are not in the cache."""


class SourcesUnreachable(SourcesError):  # noqa: N818
    """Sources are not in the cache, and no server of theirs answers."""
