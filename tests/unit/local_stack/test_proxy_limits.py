"""The limits of the local proxy: the chart's defaults, or those in the environment."""

import pytest
import yaml

from local_stack import proxy_limits
from local_stack.errors import StackError

DEFAULTS = yaml.safe_load((proxy_limits.CHART / "values.yaml").read_text())["proxy"]["limits"]


def test_default_limits_are_those_of_the_chart() -> None:
    assert proxy_limits.figures({"PATH": "/bin"}) == DEFAULTS


def test_environment_variable_overrides_one_limit() -> None:
    figures = proxy_limits.figures({"PROXY_REQUESTS_PER_ADDRESS": "500"})

    assert figures == {**DEFAULTS, "requestsPerAddress": 500}
    assert "limit_conn in_progress 500;" in proxy_limits.config(figures)


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "many", "12345678"])
def test_error_of_an_invalid_limit_names_its_variable(text: str) -> None:
    with pytest.raises(StackError, match="PROXY_REQUESTS_PER_REPLICA must be a whole number"):
        proxy_limits.figures({"PROXY_REQUESTS_PER_REPLICA": text})


def test_every_limit_in_the_template_is_filled_in() -> None:
    assert "{{" not in proxy_limits.config(DEFAULTS)
