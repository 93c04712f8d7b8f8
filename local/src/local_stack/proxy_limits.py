"""The proxy's limits: the chart's file and values; environment variables can replace the values."""

import re
from collections.abc import Mapping

import yaml

from local_stack.errors import StackError
from local_stack.options import REPOSITORY

CHART = REPOSITORY / "charts" / "retail-orders"
_FIGURE = re.compile(r"{{ \.Values\.proxy\.limits\.(\w+) }}")
_DEFAULTS: Mapping[str, int] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))["proxy"]["limits"]
VARIABLES: Mapping[str, str] = {
    "PROXY_" + re.sub("(?=[A-Z])", "_", figure).upper(): figure for figure in _DEFAULTS
}  # keys such as PROXY_REQUESTS_PER_ADDRESS


def figures(environ: Mapping[str, str]) -> dict[str, int]:
    """Return the limits by name. StackError if a variable in `environ` is not a whole number from 1 to 9999999."""
    changed = {}
    for variable, figure in VARIABLES.items():
        if variable in environ:
            text = environ[variable]
            if not re.fullmatch("[1-9][0-9]{0,6}", text):
                raise StackError(f"{variable} must be a whole number from 1 to 9999999, not {text!r}")
            changed[figure] = int(text)
    return {**_DEFAULTS, **changed}


def config(chosen: Mapping[str, int]) -> str:
    """Return the chart's limits.conf with these limits filled in."""
    template = (CHART / "files" / "proxy" / "limits.conf").read_text(encoding="utf-8")
    return _FIGURE.sub(lambda found: str(chosen[found[1]]), template)
