"""The title of a problem document."""

import pytest

from shared.http.problem import Problem


@pytest.mark.parametrize(
    ("status", "title"),
    [(400, "Bad Request"), (413, "Content Too Large"), (422, "Unprocessable Content"), (429, "Too Many Requests")],
)
def test_problem_title_does_not_depend_on_the_python_version(status: int, title: str) -> None:
    assert Problem(status, "detail").document["title"] == title
