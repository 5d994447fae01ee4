"""The picture of a simulated run: what is told in it, and how a course is made of moments."""

import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.files.picture import Picture
from headrace.scaler.simulation.optimum.cost import Proof
from headrace.scaler.simulation.outcome import Moment, Outcome, Waits
from headrace.scaler.simulation.plot import COLUMNS, Axis, picture
from headrace.scaler.simulation.report import Method, Run, Yardstick


def outcome(*moments: Moment, node_hours: float = 1.0) -> Outcome:
    return Outcome(node_hours, 1.0, 1.0, Waits(), 0, 1, 0, 0, 0, 0, timeline=moments)


def run(proof: Proof = Proof.EXACT, **outcomes: Outcome) -> Run:
    return Run(0, 1, Yardstick(2.0, Method.WHOLE, proof), outcomes)


BUSY = outcome(Moment(0.0, 9, 0, 2, 0), Moment(150.0, 5, 2, 0, 2), Moment(300.0, 0, 0, 0, 0), node_hours=3.25)
STATIC = outcome(Moment(0.0, 0, 40, 0, 0), node_hours=99.0)


def texts(svg: bytes) -> set[str]:
    return {
        "".join(each.itertext()).strip() for each in ET.fromstring(svg).iter() if each.tag.endswith("}text")
    }


def test_the_picture_tells_policies_node_hours_and_the_optimum_in_words():
    found = texts(picture(run(headrace=BUSY, clues=BUSY), Picture.SVG))
    assert {
        "Files waiting",
        "Nodes of headrace",
        "Nodes that are paid for: on or booting. The optimum: 2.0 node-hours",
        "headrace: 3.2 node-hours",
        "clues: 3.2 node-hours",
        "busy",
        "idle",
        "booting",
        "minutes since the trace's start",
    } <= found


def test_a_bound_is_told_as_one():
    found = texts(picture(run(Proof.LOWER_BOUND, headrace=BUSY), Picture.SVG))
    assert "Nodes that are paid for: on or booting. The optimum: at least 2.0 node-hours" in found


@pytest.mark.parametrize(
    ("others", "told"), [({"static": STATIC}, True), ({"static": STATIC, "clues": STATIC}, False)]
)
def test_one_policy_out_of_all_proportion_does_not_set_the_scale(others, told):
    found = texts(picture(run(headrace=BUSY, **others), Picture.SVG))
    assert ("(up to 40 nodes, off the scale)" in found) is told


def test_a_long_run_is_told_in_hours():
    long = outcome(Moment(0.0, 1, 1, 0, 1), Moment(11_000.0, 0, 0, 0, 0))
    assert "hours since the trace's start" in texts(picture(run(headrace=long), Picture.SVG))


def test_the_same_run_gives_the_same_bytes():
    assert picture(run(headrace=BUSY), Picture.SVG) == picture(run(headrace=BUSY), Picture.SVG)


def test_a_png_is_one():
    assert picture(run(headrace=BUSY), Picture.PNG).startswith(b"\x89PNG")


def test_a_run_in_which_nothing_happened_can_be_drawn():
    assert "Files waiting" in texts(picture(run(headrace=outcome()), Picture.SVG))


@given(
    st.lists(st.tuples(st.integers(1, 10_000), st.integers(0, 50)), min_size=1, max_size=30).map(
        lambda steps: sorted(dict(steps).items())
    )
)
def test_a_course_shows_every_peak_and_what_lasts(steps):
    timeline = [Moment(float(time), value, 0, 0, 0) for time, value in steps]
    axis = Axis(10_000.0)
    course = axis.course(timeline, lambda moment: moment.waiting)
    for moment, following in pairwise(timeline):
        first, last = (int(each.time / 10_000 * COLUMNS) for each in (moment, following))
        assert np.all(course[first : max(last, first + 1)] >= moment.waiting)
    assert course[-1] == course[-2]
    assert course.max() <= max(moment.waiting for moment in timeline)
