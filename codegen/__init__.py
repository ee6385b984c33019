"""micronets-gen: from a quantised ``.tflite`` model to Cortex-M firmware that proves itself.

The verbs of the command line are functions here (docs/python.md)::

    import micronets_gen

    built = micronets_gen.build(board="nucleo_f746zg", model="model.tflite", runtime="aot")
    print(micronets_gen.run(built.project).count)

Nothing else of the package is imported before one of them is asked for.
"""

from __future__ import annotations

from micronets_gen.common.version import VERSION

TYPE_CHECKING = False  # as type checkers know it; importing typing takes longer than all of this

if TYPE_CHECKING:
    from micronets_gen.api import (
        bench,
        build,
        calibrate,
        characterise,
        check,
        choose_board,
        inspect,
        run,
        search,
        sweep,
        train,
    )
    from micronets_gen.errors import MicronetsError

__version__ = VERSION

__all__ = [
    "MicronetsError",
    "bench",
    "build",
    "calibrate",
    "characterise",
    "check",
    "choose_board",
    "inspect",
    "run",
    "search",
    "sweep",
    "train",
]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "search":  # a package, too, which is called in the function's place
        return import_module(f"{__name__}.search")
    home = "errors" if name == "MicronetsError" else "api"
    found: object = getattr(import_module(f"{__name__}.{home}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
