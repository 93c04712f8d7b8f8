"""The pictures of the boards and of a trace."""

from xml.etree import ElementTree as ET

from observability import boards, drawing
from observability.boards.breakers import BREAKER_STATES
from observability.builder import GREEN, RED, Board, Panel
from observability.drawing import Series
from observability.trace import Bar, picture

GAPS = Panel(title="Lag", description="d.", queries={"lag": "x"}, unit="short")
STATE = Panel(
    title="State",
    description="d.",
    queries={"s": "x"},
    unit="short",
    kind="state-timeline",
    mappings=BREAKER_STATES,
)
STAT = Panel(title="Oldest", description="d.", queries={"age": "x"}, unit="s", kind="stat", limits=(10, 120))


def drawn(panel: Panel, *series: Series) -> ET.Element:
    board = Board(name="b", title="B", description="d.", rows=[("row", [panel])])
    return ET.fromstring(drawing.board(board, {panel.title: series}, 0, 100))  # noqa: S314 - of our own


def texts(picture: ET.Element) -> list[str]:
    return [element.text or "" for element in picture.iter("{http://www.w3.org/2000/svg}text")]


def fills(picture: ET.Element) -> list[str]:
    return [element.attrib["fill"] for element in picture.iter("{http://www.w3.org/2000/svg}rect")]


def test_line_has_a_gap_where_samples_are_missing() -> None:
    picture = drawn(GAPS, Series("lag", [(0, 1), (1, 2), (50, 2), (51, 1)]))

    assert len([*picture.iter("{http://www.w3.org/2000/svg}polyline")]) == 2


def test_panel_without_series_shows_the_text_no_data() -> None:
    assert "No data" in texts(drawn(GAPS))


def test_stat_shows_its_unit_and_is_red_above_the_threshold() -> None:
    picture = drawn(STAT, Series("age", [(0, 5), (1, 150)]))

    assert drawing.COLORS["red"] in fills(picture)
    assert "2.5 min" in texts(picture)


def test_timeline_draws_each_state_in_its_colour() -> None:
    picture = drawn(STATE, Series("kafka", [(0, 0), (40, 2), (60, 1)]))

    assert [fill for fill in fills(picture) if fill in drawing.COLORS.values()] == [
        drawing.COLORS[color] for color in ("green", "red", "yellow")
    ]


def test_labels_are_escaped_in_the_picture() -> None:
    assert "<a & 'b'>" in texts(drawn(GAPS, Series("<a & 'b'>", [(0, 1), (1, 1)])))


def test_every_board_can_be_drawn() -> None:
    for board in boards.BOARDS:
        data = {panel.title: [Series("one", [(0.0, 0.0), (50.0, 2.0)])] for panel in board.panels}
        picture = drawing.board(board, data, 0, 100)

        assert {panel.title for panel in board.panels} <= set(texts(ET.fromstring(picture)))  # noqa: S314


def test_trace_shows_the_spans_in_the_order_of_their_starts() -> None:
    def bar(label: str, start: float, depth: int, *, has_failed: bool = False) -> Bar:
        return Bar(label=label, note="a <b>", start=start, end=start + 2, depth=depth, has_failed=has_failed)

    image = picture("Trace", [bar("send", 3, 1, has_failed=True), bar("request", 1, 0)])

    found = texts(ET.fromstring(image))  # noqa: S314 - of our own
    assert found == ["Trace", "0 s", "4 s", "request", "a <b>", "2 s", "send", "a <b>", "2 s"]
    assert image.count(drawing.COLORS[RED]) == image.count(drawing.COLORS[GREEN]) == 1
