"""Training: losses, mixing, distillation, the epoch that counts, and what a recipe can turn on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from micronets_gen.errors import UsageError
from micronets_gen.search.run.pipeline import execute
from micronets_gen.search.run.request import SearchRequest, TargetRequest

pytestmark = pytest.mark.needs("tensorflow")
tf = pytest.importorskip("tensorflow")

SHORT = ("search.epochs=2", "search.warm_up=1", "train.epochs=3", "train.float_epochs=1")


def test_distillation_is_least_where_the_student_answers_like_the_teacher() -> None:
    from micronets_gen.search.learn.training import distillation_loss

    teacher = tf.constant([[2.0, -1.0, 0.5]])
    student = tf.Variable(teacher + 3.0)  # softmax does not see a constant
    with tf.GradientTape() as tape:
        loss = distillation_loss(teacher, student, 4.0)
    np.testing.assert_allclose(tape.gradient(loss, student), np.zeros((1, 3)), atol=1e-5)
    soft = tf.nn.softmax(teacher / 4.0).numpy()
    assert float(loss) == pytest.approx(-16 * float(np.sum(soft * np.log(soft))), rel=1e-5)


def test_smoothing_moves_a_share_of_the_label_to_all_classes() -> None:
    from micronets_gen.search.learn.training import cross_entropy

    labels, logits = tf.one_hot([1], 4), tf.constant([[0.0, 1.0, 2.0, 3.0]])
    log = tf.nn.log_softmax(logits).numpy()[0]
    assert float(cross_entropy(labels, logits, 0.2)) == pytest.approx(
        -0.8 * log[1] - 0.2 * log.mean(), rel=1e-5
    )


def test_every_option_of_a_training_works(tmp_path: Path) -> None:
    target = TargetRequest("nucleo_f446re", "aot", mops=0.1)
    options = (
        "train.distillation=0.5", "train.mixup=0.3", "train.label_smoothing=0.1", "train.optimizer=sgd",
        "train.learning_rate=0.05", "search.alternate=true",
    )  # fmt: skip
    outcome = execute(SearchRequest("digits", tmp_path / "a", target, settings=(*SHORT, *options)))
    history = json.loads((tmp_path / "a" / "history.json").read_text(encoding="utf-8"))
    epochs = {phase: len(records) for phase, records in history.items() if phase != "blocks"}
    assert epochs == {"search": 2, "teacher": 3, "train": 3}
    assert history["train"][-1]["loss"] < history["train"][0]["loss"]
    assert outcome.finished
    assert outcome.metrics["agreement"] > 0.9
    report = (tmp_path / "a" / "report.html").read_text(encoding="utf-8")
    assert "Training of the teacher" in report

    from micronets_gen.search.space.architecture import Architecture

    architecture = str(tmp_path / "a" / "architecture.json")
    settings = (
        "train.epochs=2",
        "train.float_epochs=1",
        "train.distillation=0.9",
        f"train.teacher={tmp_path / 'a'}",
    )
    again = execute(SearchRequest("digits", tmp_path / "b", architecture=architecture, settings=settings))
    assert "target" not in again.metrics
    assert Architecture.load(tmp_path / "b" / "architecture.json") == Architecture.load(Path(architecture))
    with pytest.raises(UsageError, match="is for features"):
        execute(SearchRequest("digits", tmp_path / "c", architecture="micronet-kws-s"))
    with pytest.raises(UsageError, match="needs a board"):
        execute(SearchRequest("digits", tmp_path / "c"))
    assert not (tmp_path / "c").exists()


def test_the_epoch_that_validates_best_counts(tmp_path: Path) -> None:
    from micronets_gen.search.data.tasks import get_task
    from micronets_gen.search.learn.training import Checkpoint, Phase, run_phase

    data = get_task("digits").load(None, 0)
    weight = tf.Variable(0.0)
    figures = [0.9, 0.5, 0.8, 0.7]

    def finish(epoch: int) -> dict[str, float]:
        weight.assign(float(epoch))
        return {"validation": figures[epoch]}

    def phase(epochs: int) -> Phase:
        return Phase(
            "train", epochs, 512, 0, lambda *_: {"loss": tf.constant(1.0)}, finish,
            Checkpoint(tmp_path / "c.npz", {"weight": weight}), score="validation", best_of={"weight": weight},
            eligible=lambda epoch: epoch > 0,
        )  # fmt: skip

    class Watcher:
        epochs = 0

        def step(self, *_: object) -> None: ...

        def epoch(self, *_: object) -> None:
            self.epochs += 1

    history = run_phase(phase(4), data, 10, Watcher())
    assert float(weight) == 2.0, "the first was the best, but not eligible"
    assert [record["loss"] for record in history] == [1.0] * 4
    weight.assign(9.0)
    watcher = Watcher()
    assert run_phase(phase(4), data, 10, watcher) == history
    assert (float(weight), watcher.epochs) == (2.0, 0), "a finished phase is not run again"


def test_weights_of_another_version_are_refused() -> None:
    from micronets_gen.search.learn.network import Network
    from micronets_gen.search.learn.training import restore_whole
    from micronets_gen.search.space.architecture import Architecture, lower
    from micronets_gen.search.space.blocks import Conv

    network = Network(lower(Architecture("one", (8, 8, 1), 5, (Conv(4),))))
    values = {name: variable.numpy() for name, variable in network.named_variables().items()}
    restore_whole(network, values, "runs/a")
    values["block00/tightness"] = values.pop("block00/weight_range")
    with pytest.raises(UsageError, match="other weights than its architecture") as caught:
        restore_whole(network, values, "runs/a")
    assert caught.value.where == "runs/a"
