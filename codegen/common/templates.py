"""Turns templates into text."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from micronets_gen.common.escape import c_comment, c_string, ini_value, markdown
from micronets_gen.common.resources import data_dir


@cache
def environment() -> Environment:
    """Return the Jinja environment: undefined names are errors, blocks leave no blank lines.

    Text of people goes through a filter for where it stands: ``comment`` and ``string`` of C, ``ini``, ``markdown``.
    """
    made = Environment(
        loader=FileSystemLoader(data_dir("templates")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    made.filters |= {"comment": c_comment, "string": c_string, "ini": ini_value, "markdown": markdown}
    return made


def render(template: str, /, **values: object) -> str:
    """Return the text of ``templates/<template>`` with plain values."""
    return environment().get_template(template).render(values)


def template_text(name: str) -> str:
    """Return ``templates/<name>`` as it stands."""
    return (data_dir("templates") / name).read_text(encoding="utf-8")
