"""What the search is compared with: random search at the limits, and a supernet with a logit a choice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from micronets_gen.boards.load import load_board
from micronets_gen.runtimes.choose import choose_runtime
from micronets_gen.search.space.backbone import Space, load_backbone
from micronets_gen.search.space.cost import cost_of
from micronets_gen.search.space.limits import Target
from tests.support.regression import INVENTED

tf = pytest.importorskip("tensorflow")

SPACE = Space(load_backbone("digits"), (8, 8, 1), 10)
TARGET = Target(load_board("nucleo_f446re"), choose_runtime("aot").runtime, max_ops=60_000)


def test_random_candidates_differ_and_leave_no_room() -> None:
    from micronets_gen.search.study.random_search import random_choice

    generator = np.random.default_rng(0)
    choices = [random_choice(SPACE, TARGET, generator) for _ in range(8)]
    assert len({SPACE.architecture(choice).summary() for choice in choices}) > 4
    for choice in choices:
        assert TARGET.verdict(SPACE.architecture(choice)).fits
        for _, larger in SPACE.neighbours(choice, 1):
            assert cost_of(SPACE.architecture(larger)).ops > 60_000


def test_operations_stand_for_a_time_as_random_architectures_do() -> None:
    from micronets_gen.search.study.random_search import operations_at, random_choice

    limited = replace(TARGET, max_ops=None, max_cycles=900_000, regression=INVENTED)
    generator = np.random.default_rng(3)
    operations = [
        cost_of(SPACE.architecture(random_choice(SPACE, limited, generator))).ops for _ in range(16)
    ]
    assert min(operations) < operations_at(SPACE, limited, 3) < max(operations)
    assert operations_at(SPACE, limited, 3) == round(np.mean(operations))


@pytest.mark.parametrize(
    ("candidates", "epochs", "rounds"),
    [
        (8, 30, [(8, 1), (4, 2), (2, 7)]),
        (8, 12, [(8, 1), (4, 1), (2, 1)]),
        (3, 30, [(3, 5), (2, 7)]),
        (1, 5, [(1, 5)]),
    ],
)
def test_halving_spends_the_epochs_of_a_search(
    candidates: int, epochs: int, rounds: list[tuple[int, int]]
) -> None:
    from micronets_gen.search.study.random_search import halvings

    assert halvings(candidates, epochs) == rounds


def test_a_logit_a_choice_can_prefer_two_widths_that_are_far_apart() -> None:
    from micronets_gen.search.learn.dnas import settle
    from micronets_gen.search.study.free_logits import FreeSupernet

    supernet = FreeSupernet(SPACE, 0, (0.0, 1.0))
    logits = np.zeros(16, np.float32)
    logits[[1, 12]] = 3.0, 3.1
    supernet.width_parameters["1"].assign(logits)
    probability = supernet.decisions(0.5).widths["1"].numpy()
    assert probability[1] > 0.3
    assert probability[12] > 0.3
    assert supernet.central().widths["1"] == SPACE.widths["1"][12]
    drawn = {
        int(supernet.sample(tf.constant(n, tf.int64), tf.constant(1e-3)).masks["1"].numpy().sum())
        for n in range(20)
    }
    assert {SPACE.widths["1"][1], SPACE.widths["1"][12]} <= drawn
    assert settle(SPACE, supernet, TARGET, 0.5)[1].fits


def test_differences_are_paired_by_seed(capsys: pytest.CaptureFixture[str]) -> None:
    from micronets_gen.search.study.benchmark import MS, Trial, print_differences, print_means

    tests = {"dnas": (0.93, 0.97), "random": (0.90, 0.95)}
    done = [
        Trial(0.1, seed, method, 90_000, test + 0.01, test, "Conv")
        for method, figures in tests.items()
        for seed, test in enumerate(figures)
    ]
    print_means(done, [0.1], list(tests))
    print_differences(done, [0.1], list(tests))
    printed = capsys.readouterr().out
    assert "| 0.1 | dnas | 90.0% | 0.9600 ± 0.0200 | 0.9500 ± 0.0200 |" in printed
    assert "| 0.1 | random | +0.0250 ± 0.0050 | +0.0250 ± 0.0050 |" in printed
    timed = [replace(trial, unit=MS, milliseconds=0.12) for trial in done]
    print_means(timed, [0.1], list(tests))
    printed = capsys.readouterr().out
    assert "| ms limit |" in printed
    assert "| 0.1 | dnas | 120.0% |" in printed
