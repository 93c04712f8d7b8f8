"""The picture of the main result."""

from xml.etree import ElementTree as ET

from bench import plot
from bench.contenders import BARE, NAIVE, OURS
from bench.measure import Sample
from bench.results import Results

SVG = "{http://www.w3.org/2000/svg}"


def sample(requests: int, app: float) -> Sample:
    return Sample(requests, 10.0, 0, 5.0, 10.0, {"app": app, "mongod": 100.0, "broker": 50.0, "load": 7.0})


def drawn() -> ET.Element:
    closed_loop = {
        BARE.name: {32: [sample(90_000, 100)]},
        NAIVE.name: {1: [sample(500, 900)], 32: [sample(2_000, 850), sample(3_000, 850), sample(1_000, 850)]},
        OURS: {1: [sample(500, 900)], 32: [sample(8_000, 350), sample(6_000, 250), sample(4_000, 150)]},
    }
    return ET.fromstring(plot.svg(Results("2 cores", 3, 10, closed_loop=closed_loop)))  # noqa: S314 - of our own


def test_picture_shows_medians_of_all_that_store_orders() -> None:
    texts = [element.text for element in drawn().iter(f"{SVG}text")]

    assert [text for text in texts if text in {BARE.name, NAIVE.name, OURS}] == [NAIVE.name, OURS]
    assert {"200", "1,000", "600", "400"} <= set(texts)


def test_bar_lengths_are_in_proportion_and_inside_the_picture() -> None:
    root = drawn()
    bars = [rect for rect in root.iter(f"{SVG}rect") if rect.get("height") == "24.0"]
    speed = [float(rect.get("width", 0)) for rect in bars if float(rect.get("x", 0)) == plot.NAMES]

    assert speed[1] == 3 * speed[0]
    assert max(float(rect.get("x", 0)) + float(rect.get("width", 0)) for rect in bars) <= float(root.get("width", 0))
