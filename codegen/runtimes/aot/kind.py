"""What the ``aot`` runtime is, before it is opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from micronets_gen.runtimes.kind import Notify, RuntimeKind

if TYPE_CHECKING:
    from micronets_gen.runtimes.base import Runtime


def _available(_commits: Mapping[str, str] | None) -> tuple[bool, str]:
    return True, "nothing is downloaded"


def _open(_commits: Mapping[str, str] | None, _notify: Notify) -> Runtime:
    from micronets_gen.runtimes.aot.runtime import AotRuntime

    return AotRuntime()


KIND = RuntimeKind(
    name="aot",
    title="ahead-of-time",
    summary="generated C",
    preference=1,
    instructions_per_mac=4,
    available=_available,
    at_hand=lambda _commits: True,
    lacking=lambda: "",
    open=_open,
)
