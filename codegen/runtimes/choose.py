"""Which runtime a build takes, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from micronets_gen.model.graph import Graph
from micronets_gen.runtimes.base import Runtime
from micronets_gen.runtimes.kind import Notify
from micronets_gen.runtimes.registry import AUTO, runtime_kind, runtime_kinds


@dataclass(frozen=True)
class Choice:
    """A runtime and the reason for it, as a sentence."""

    runtime: Runtime
    reason: str


def choose_runtime(
    wanted: str, commits: Mapping[str, str] | None = None, notify: Notify = lambda _step: None
) -> Choice:
    """Return the runtime of a name; fetches what of its sources is missing.

    Args:
        wanted: A runtime's name; ``auto`` takes the preferred one of those that can be had and compiled here.
        commits: Commits of sources by key (``tflm``, ``cmsis_nn``, ...) where not the pinned ones.
        notify: Told what is fetched.

    Raises:
        UsageError: there is none of that name.
        SourcesError: its sources cannot be had.
    """
    return _choose(wanted, commits, notify, lambda _runtime: "")


def choose_for_model(
    graph: Graph,
    wanted: str,
    commits: Mapping[str, str] | None = None,
    notify: Notify = lambda _step: None,
) -> Choice:
    """Return the runtime as :func:`choose_runtime` does; ``auto`` passes over those that refuse the model.

    Raises:
        UsageError: there is no runtime of that name.
        SourcesError: its sources cannot be had.
        ToolError: they cannot be used.
    """

    def refusal(runtime: Runtime) -> str:
        problem = next(iter(runtime.problems(graph)), None)
        return f"{problem.layer}: {problem.reason}" if problem else ""

    return _choose(wanted, commits, notify, refusal)


def _choose(
    wanted: str,
    commits: Mapping[str, str] | None,
    notify: Notify,
    refusal: Callable[[Runtime], str],
) -> Choice:
    if wanted != AUTO:
        return Choice(runtime_kind(wanted).open(commits, notify), "as asked for")
    passed_over: list[str] = []
    *preferred, last = runtime_kinds()
    for kind in preferred:
        available, reason = kind.available(commits)
        against = kind.lacking() if available else reason
        if not against:
            runtime = kind.open(commits, notify)
            against = refusal(runtime)
            if not against:
                return Choice(runtime, "; ".join(passed_over) or reason)
        passed_over.append(f"not {kind.name}: {against}")
    return Choice(last.open(commits, notify), "; ".join(passed_over))
