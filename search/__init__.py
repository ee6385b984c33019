"""Architecture search, training and export: what makes models, as opposed to firmware.

Needs the ``search`` extra (TensorFlow). Called, the package is :func:`micronets_gen.api.search`, so that
``micronets_gen.search(task=..., board=...)`` works whether or not one of its modules is imported.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Search(ModuleType):
    def __call__(self, **options: Any) -> Any:
        from micronets_gen.api import search

        return search(**options)


sys.modules[__name__].__class__ = _Search
