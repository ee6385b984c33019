"""The cores that unicorn emulates."""

from __future__ import annotations

from typing import Any

from .errors import EmulationError

_MODELS = {
    "cortex-m0": "CORTEX_M0",
    "cortex-m0plus": "CORTEX_M0",
    "cortex-m3": "CORTEX_M3",
    "cortex-m4": "CORTEX_M4",
    "cortex-m7": "CORTEX_M7",
    "cortex-m33": "CORTEX_M33",
}


def new_engine(core: str) -> Any:
    """A ``unicorn.Uc`` of a core, with nothing mapped.

    Raises:
        EmulationError: Unicorn is missing or lacks the core.
    """
    try:
        import unicorn
        from unicorn import arm_const
    except ImportError:
        raise EmulationError(
            "the virtual board needs unicorn", remedy="install it: pip install unicorn"
        ) from None
    if core not in _MODELS:
        raise EmulationError(
            f"the virtual board has no {core}",
            why=f"unicorn emulates {', '.join(sorted(_MODELS))}",
            remedy="run the image in QEMU or on the board (--port)",
        )
    # UC_MODE_MCLASS would choose a Cortex-M33, whatever the model asked for.
    engine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
    engine.ctl_set_cpu_model(getattr(arm_const, f"UC_CPU_ARM_{_MODELS[core]}"))
    return engine
