"""What the pages share: how a template is filled, and names that may break."""

import re
from typing import Any

import jinja2
import markupsafe


def fill(template: str, **context: Any) -> str:
    """Fill one of this package's templates; text is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("egcam_jax", "report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(template).render(breakable=breakable, **context)


def breakable(name: str) -> markupsafe.Markup:
    """A name that may go on in the next line after what joins its words."""
    return markupsafe.Markup("<wbr>").join(re.split(r"(?<=[-_.+:=])(?=\w)", name))
