"""How every page is made of its template."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from serverless_dnn.bench.report import wording
from serverless_dnn.bench.report.colors import variable
from serverless_dnn.bench.report.series import color_of
from serverless_dnn.bench.report.svg import draw


def new_environment() -> Environment:
    """The templates, with the filters and functions that all of them share; a page adds its own."""
    environment = Environment(
        loader=PackageLoader("serverless_dnn.bench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": wording.number, "dollars": wording.dollars, "listed": wording.listed}
    environment.filters |= {"interval": wording.interval, "color_of": color_of}
    environment.globals |= {"draw": draw, "variable": variable}
    return environment
