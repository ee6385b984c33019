"""What can go wrong with the sources of the tflm runtime."""

from __future__ import annotations

from micronets_gen.errors import ToolError


class SourcesError(ToolError):
    """The sources cannot be fetched, imported or trusted."""


class SourcesMissing(SourcesError):  # noqa: N818  reads as what it says
    """Sources are not in the cache."""


class SourcesModified(SourcesError):  # noqa: N818
    """Sources in the cache are not what was stored there."""

    def __init__(self, what: str, *, where: str, why: str) -> None:
        """Say what was changed, and how to undo that."""
        super().__init__(
            what,
            where=where,
            why=why,
            remedy="'micronets-gen sources fetch --repair', or 'sources import DIR' once more, restores the commit; "
            "'sources status' shows what differs; a change of your own belongs into a commit (--tflm-commit, "
            "--cmsis-nn-commit)",
        )


class SourcesUnreachable(SourcesError):  # noqa: N818
    """Sources are not in the cache, and no server of theirs answers."""
