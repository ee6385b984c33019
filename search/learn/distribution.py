"""Several devices and hosts: which of them take part, how they share a step, and how they stay in step.

Every worker, a process on a host, builds the same whole batch from the same seed. Each of its replicas, one a device,
learns from its slice. Losses are scaled so that what the optimizers sum over replicas is the gradient of the whole
batch; so several replicas compute what one device does, up to the rounding of sums.

One worker, the chief, has the run's folder. What only it can know reaches the others by :meth:`Workers.from_chief`.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np

from micronets_gen.common.suggest import did_you_mean
from micronets_gen.errors import MicronetsError, RunError, ToolError, UsageError
from micronets_gen.search.learn.rendezvous import meet

STRATEGIES = ("auto", "single", "mirrored", "multi-worker")

Step = Callable[[Any, Any, Any], Mapping[str, Any]]
"""Learns from features, labels one-hot and the number of the step; returns named scalars, means over the batch."""

T = TypeVar("T")

_SIZE_BYTES = 8
_EXAMPLE = (
    """TF_CONFIG='{"cluster": {"worker": ["host0:2222", "host1:2222"]}, """
    """"task": {"type": "worker", "index": 0}}'"""
)


@dataclass(frozen=True)
class Cluster:
    """The workers that ``TF_CONFIG`` names.

    Attributes:
        index: Of this one; the chief is 0.
        addresses: ``host:port`` of each.
    """

    index: int
    addresses: tuple[str, ...]

    @property
    def count(self) -> int:
        return len(self.addresses)

    @property
    def others(self) -> tuple[str, ...]:
        return self.addresses[: self.index] + self.addresses[self.index + 1 :]


@dataclass(frozen=True, eq=False)
class Workers:
    """Who takes part in a run, seen from one worker.

    Attributes:
        strategy: A ``tf.distribute.Strategy``; None for one device.
        cluster: This worker among all.
    """

    strategy: Any = None
    cluster: Cluster = Cluster(0, ("localhost",))

    @property
    def is_chief(self) -> bool:
        """Whether the run's folder is this worker's to write."""
        return self.cluster.index == 0

    @property
    def replicas(self) -> int:
        """How many devices share a batch, those of the other workers included."""
        return 1 if self.strategy is None else int(self.strategy.num_replicas_in_sync)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Make variables on every device while this is entered; every worker must make the same ones.

        Raises:
            RunError: another worker was lost.
        """
        global _current  # noqa: PLW0603
        if self.strategy is None:
            yield
            return
        before, _current = _current, self
        try:
            with _lost_worker() if self.cluster.count > 1 else nullcontext(), self.strategy.scope():
                yield
        finally:
            _current = before

    def gather(self, value: T) -> list[T]:
        """Return what every worker gives, the chief's first; each must call, and waits for the others.

        Values travel pickled: workers trust each other, as TensorFlow's own protocol between them does.

        Raises:
            RunError: another worker was lost.
        """
        if self.cluster.count == 1:
            return [value]
        payload = pickle.dumps(value)
        every = [_SIZE_BYTES] * self.cluster.count
        sizes = [
            int.from_bytes(part, "big")
            for part in self._join(len(payload).to_bytes(_SIZE_BYTES, "big"), every)
        ]
        return [pickle.loads(part) for part in self._join(payload, sizes)]

    def _join(self, payload: bytes, sizes: Sequence[int]) -> list[bytes]:
        """Return every worker's bytes: each adds its own to the others' zeros, one a float, which is exact."""
        ends = list(accumulate(sizes))
        starts = [end - size for end, size in zip(ends, sizes, strict=True)]
        vector = np.zeros(ends[-1], np.float32)
        vector[starts[self.cluster.index] : ends[self.cluster.index]] = np.frombuffer(payload, np.uint8)
        with _lost_worker():
            joined = _sum_over_workers(self.strategy, self.cluster.count)(vector).numpy()
        return [joined[a:b].astype(np.uint8).tobytes() for a, b in zip(starts, ends, strict=True)]

    def from_chief(self, make: Callable[[], T]) -> T:
        """Return what ``make`` returns on the chief, the only worker where it is called; its error is everyone's.

        ``make`` must not make variables within :meth:`scope`.
        """
        if self.cluster.count == 1:
            return make()
        outcomes = self.gather(_attempt(make) if self.is_chief else (None, None))
        value, error = outcomes[0]
        if error is not None:
            raise error
        return value  # type: ignore[return-value]

    def together(self, make: Callable[[], T]) -> T:
        """Return what ``make`` returns on this worker; where it fails on one, it fails on all.

        Raises:
            MicronetsError: the first worker's that has one.
        """
        if self.cluster.count == 1:
            return make()
        value, error = _attempt(make)
        for index, other in enumerate(self.gather(error)):
            if other is not None:
                raise _of_worker(index, other)
        return value  # type: ignore[return-value]

    @contextmanager
    def interruptible(self) -> Iterator[Callable[[], None]]:
        """Hold Ctrl-C back until all workers can stop at the same place: where they call what this yields.

        Without other workers Ctrl-C acts at once. A second one always does.
        """
        if self.cluster.count == 1:
            yield lambda: None
            return
        pressed = False

        def note(_number: int, _frame: Any) -> None:
            nonlocal pressed
            if pressed:
                raise KeyboardInterrupt
            pressed = True

        def stop() -> None:
            if any(self.gather(pressed)):
                raise KeyboardInterrupt

        before = signal.signal(signal.SIGINT, note)
        try:
            yield stop
        finally:
            signal.signal(signal.SIGINT, before)


_current = Workers()


def current() -> Workers:
    """Return the workers whose scope is entered; else this process with one device."""
    return _current


def requested(kind: str, environment: Mapping[str, str] = os.environ) -> Cluster | None:
    """Return the cluster that a strategy runs on, None for this process alone; without TensorFlow.

    Raises:
        UsageError: there is no such strategy, or ``TF_CONFIG`` is missing or unusable.
    """
    if kind not in STRATEGIES:
        remedy = did_you_mean(kind, STRATEGIES, f"one of {', '.join(STRATEGIES)}")
        raise UsageError("no such strategy", where=f"--strategy {kind}", remedy=remedy)
    text = environment.get("TF_CONFIG", "")
    if kind in {"auto", "multi-worker"} and text:
        cluster = _cluster(text)
        if cluster is not None:
            return cluster
    if kind == "multi-worker":
        raise UsageError(
            "TF_CONFIG names no workers",
            where="--strategy multi-worker",
            remedy=f"start the same command on every host, there with its own index: {_EXAMPLE}",
        )
    return None


def start(kind: str) -> Workers:
    """Return the workers of a strategy. With several, TensorFlow must not have done anything before.

    Raises:
        UsageError: as :func:`requested`; or TensorFlow has done something.
        ToolError: there is no GPU for ``mirrored``.
        RunError: the other workers did not come.
    """
    cluster = requested(kind)
    if cluster is not None:
        return Workers(_multi_worker_strategy(cluster), cluster)
    if kind == "single":
        return Workers()
    import tensorflow as tf

    if kind == "auto" and len(tf.config.list_physical_devices("GPU")) < 2:
        return Workers()
    devices = tf.config.list_logical_devices("GPU")
    if not devices:
        devices = tf.config.list_logical_devices("CPU")
        if len(devices) == 1:
            raise ToolError(
                "TensorFlow sees no GPU",
                where="--strategy mirrored",
                remedy="install the driver and tensorflow[and-cuda], or take --strategy single",
            )
    return Workers(_mirrored_strategy(tuple(device.name for device in devices)))


@cache  # two strategies on the same devices would mix their collectives up
def _mirrored_strategy(devices: tuple[str, ...]) -> Any:
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(devices)


@cache
def _multi_worker_strategy(cluster: Cluster) -> Any:
    import tensorflow as tf

    meet(cluster.index, cluster.addresses)
    with _lost_worker():
        try:
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
        except RuntimeError as error:
            raise UsageError(
                "cannot join other workers",
                where="--strategy multi-worker",
                why=str(error),
                remedy="start a new process",
            ) from error
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # which TensorFlow takes for a notice, and lives on
    return strategy


def _cluster(text: str) -> Cluster | None:
    try:
        value = json.loads(text)
        hosts = value.get("cluster", {})
        if not hosts:
            return None
        if not set(hosts) <= {"chief", "worker"}:
            raise ValueError(f"only chief and worker take part, not {', '.join(sorted(set(hosts)))}")
        everyone = [
            (kind, index) for kind in ("chief", "worker") for index in range(len(hosts.get(kind, [])))
        ]
        task = value["task"]["type"], int(value["task"]["index"])
        if task not in everyone:
            raise ValueError(f"its task, {task[0]} {task[1]}, is not in its cluster")
        addresses = tuple(str(hosts[kind][index]) for kind, index in everyone)
        return Cluster(everyone.index(task), addresses)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise UsageError(
            "is no description of a cluster", where="TF_CONFIG", why=why, remedy=_EXAMPLE
        ) from error


def require_even(batch: int, replicas: int, where: str) -> None:
    """Raise where replicas cannot share a batch evenly.

    Raises:
        UsageError: they cannot.
    """
    if batch % replicas:
        raise UsageError(
            f"{replicas} devices cannot share a batch of {batch} samples evenly",
            where=where,
            remedy=f"take a multiple of {replicas}",
        )


def replicated(step: Step) -> Step:
    """Return a step that the replicas of the scope that is entered take together, each on its slice of the batch.

    In ``step``, :func:`share_of` must scale what gradients are taken of. The figures are means over all replicas.
    """
    import tensorflow as tf

    workers = current()
    if workers.strategy is None:
        function: Step = tf.function(step, reduce_retracing=True)
        return function
    strategy, replicas = workers.strategy, workers.replicas

    def slice_step(features: Any, labels: Any, number: Any) -> Mapping[str, Any]:
        context = tf.distribute.get_replica_context()
        size = features.shape[0] // replicas
        first = context.replica_id_in_sync_group * size
        features, labels = (
            tf.slice(value, [first] + [0] * (value.shape.rank - 1), [size, *value.shape[1:]])
            for value in (features, labels)
        )
        figures = step(features, labels, number)
        values = tf.stack([tf.cast(value, tf.float64) for value in figures.values()])
        means = context.all_reduce(tf.distribute.ReduceOp.MEAN, values)
        return dict(zip(figures, tf.unstack(means), strict=True))

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def every_step(features: Any, labels: Any, number: Any) -> Mapping[str, Any]:
        figures = strategy.run(slice_step, (features, labels, number))
        return {name: strategy.experimental_local_results(value)[0] for name, value in figures.items()}

    def checked_step(features: Any, labels: Any, number: Any) -> Mapping[str, Any]:
        require_even(int(features.shape[0]), replicas, "an epoch of less than a batch")
        taken: Mapping[str, Any] = every_step(features, labels, number)
        return taken

    return checked_step


def replicas_in_step() -> int:
    """Return how many replicas take the step that is being traced; 1 outside one."""
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return 1 if context is None else int(context.num_replicas_in_sync)


def share_of(loss: Any) -> Any:
    """Return a replica's part of a loss that is a mean over its slice; optimizers sum gradients over replicas."""
    replicas = replicas_in_step()
    return loss if replicas == 1 else loss / replicas


def mean_over_replicas(values: Sequence[Any]) -> Sequence[Any]:
    """Return means over the replicas that take the step, differentiable; all get the same."""
    import tensorflow as tf

    means: Sequence[Any] = tf.distribute.get_replica_context().all_reduce(
        tf.distribute.ReduceOp.MEAN, list(values)
    )
    return means


@cache
def _sum_over_workers(strategy: Any, count: int) -> Callable[[Any], Any]:
    """Return a function that adds up the workers' vectors (n,) float32."""
    import tensorflow as tf

    replicas = strategy.num_replicas_in_sync // count

    def on_replica(vector: Any) -> Any:
        context = tf.distribute.get_replica_context()
        is_first = tf.cast(context.replica_id_in_sync_group % replicas == 0, tf.float32)
        return context.all_reduce(tf.distribute.ReduceOp.SUM, vector * is_first)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])  # type: ignore[untyped-decorator]
    def total(vector: Any) -> Any:
        return strategy.experimental_local_results(strategy.run(on_replica, (vector,)))[0]

    function: Callable[[Any], Any] = total
    return function


def _attempt(make: Callable[[], T]) -> tuple[T | None, MicronetsError | None]:
    try:
        return make(), None
    except MicronetsError as error:
        return None, error


def _of_worker(index: int, error: MicronetsError) -> MicronetsError:
    where = f"worker {index}: {error.where}" if error.where else f"worker {index}"
    return type(error)(error.what, where=where, why=error.why, remedy=error.remedy)


@contextmanager
def _lost_worker() -> Iterator[None]:
    import tensorflow as tf

    gone = tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.DeadlineExceededError
    try:
        yield
    except tf.errors.OpError as error:
        if not isinstance(error, gone) and "Collective ops" not in str(error):
            raise
        lines = [line.strip() for line in str(error).splitlines()]
        why = next((line for line in lines if line.startswith("Collective ops")), lines[-1])
        raise RunError(
            "another worker was lost",
            where="--strategy multi-worker",
            why=why,
            remedy="start all workers again with the same command: they go on from the last epoch",
        ) from error
