"""If, Loop and Scan: inlined, unrolled, and as Core ML's own branches and loops."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from checking import check_onnx, check_refused, source_of
from onnx import TensorProto, helper, parser

from mltoolkit.converters.mil.target import CoreMLTarget
from mltoolkit.converters.mil.write import write_core_ml
from mltoolkit.errors import UnsupportedLayersError

RNG = np.random.default_rng(23)


def model(text: str) -> onnx.ModelProto:
    parsed = parser.parse_model(f'<ir_version: 10, opset_import: ["" : 21]>\n{text}')
    return onnx.shape_inference.infer_shapes(parsed, strict_mode=True, data_prop=True)


def random(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


BRANCHES = """
agraph (float[2,3] x, bool[1] p) => (float[2,3] y, int64[1] n)
<float[3] w = {1.0, 2.0, 3.0}, int64[1] seven = {7}>
{
  y, n = If (p) <
    then_branch = yes () => (float[2,3] a, int64[1] m) { a = Add(x, w)  m = Identity(seven) },
    else_branch = no () => (float[2,3] b, int64[1] k) { c = Mul(x, w)  b = Sub(c, x)  k = Constant<value_ints = [3]>() }
  >
}
"""


@pytest.mark.parametrize("predicate", [True, False])
def test_a_branch_that_is_chosen_while_the_model_runs(predicate: bool) -> None:
    checked = check_onnx(model(BRANCHES), {"x": random(2, 3), "p": np.array([predicate])})
    assert checked["mlpackage"].written.operations["cond"] == 1


@pytest.mark.parametrize("predicate", ["{1}", "{0}"])
def test_a_branch_that_a_constant_chooses_is_written_alone(predicate: str) -> None:
    text = BRANCHES.replace(", bool[1] p", "").replace("<float[3] w", f"<bool[1] p = {predicate}, float[3] w")
    checked = check_onnx(model(text), {"x": random(2, 3)})
    assert "cond" not in checked["mlpackage"].written.operations


# Two states that change places, one that stays, and what is collected.
LOOP = """
agraph (float[2] a, float[2] b, int64 most) => (float[2] c, float[2] d, float[N,2] every)
<bool always = {1}>
{
  c, d, every = Loop (most, always, a, b) <
    body = step (int64 i, bool go, float[2] u, float[2] v) => (bool on, float[2] v2, float[2] w, float[2] shown)
    { on = Identity(go)  j = Cast<to = 1>(i)  k = Mul(u, j)  v2 = Identity(v)  w = Add(k, v)  shown = Sub(w, u) }
  >
}
"""


@pytest.mark.parametrize("steps", [1, 4])
def test_a_loop_of_a_number_of_steps_that_is_computed(steps: int) -> None:
    feeds = {"a": random(2), "b": random(2), "most": np.array(steps)}
    checked = check_onnx(model(LOOP), feeds)
    assert checked["mlpackage"].written.operations["while_loop"] == 1


@pytest.mark.parametrize(("steps", "loops"), [(3, False), (40, True)])
def test_a_loop_of_a_constant_number_of_steps(steps: int, loops: bool) -> None:
    text = LOOP.replace(", int64 most", "").replace("<bool always", f"<int64 most = {{{steps}}}, bool always")
    # The numbers must not outgrow float32: v grows by u · i.
    text = text.replace("k = Mul(u, j)", "s = Sin(j)  k = Mul(u, s)")
    checked = check_onnx(model(text), {"a": random(2), "b": random(2)})
    assert ("while_loop" in checked["mlpackage"].written.operations) == loops


UNTIL = """
agraph (float[1] x, int64 most) => (float[1] y, float[N,1] every)
<bool always = {1}, float[1] limit = {50.0}>
{
  y, every = Loop (most, always, x) <
    body = step (int64 i, bool go, float[1] u) => (bool on, float[1] w, float[1] shown)
    { w = Add(u, u)  less = Less(w, limit)  on = Squeeze(less)  shown = Neg(w) }
  >
}
"""


@pytest.mark.parametrize("most", [3, 10])
def test_a_loop_that_ends_when_a_condition_fails(most: int) -> None:
    check_onnx(model(UNTIL), {"x": np.array([3.0], np.float32), "most": np.array(most)})


def test_a_loop_without_a_trip_count() -> None:
    text = UNTIL.replace(", int64 most", "").replace("Loop (most,", "Loop (,")
    text = text.replace("y, every = Loop", "y = Loop").replace(", float[N,1] every", "").replace(", float[1] shown", "")
    text = text.replace("  shown = Neg(w)", "")
    check_onnx(model(text), {"x": np.array([3.0], np.float32)})


def test_results_of_an_unknown_number_of_steps_are_not_collected() -> None:
    text = UNTIL.replace(", int64 most", "").replace("Loop (most,", "Loop (,")
    check_refused(model(text), "number of steps that is not known")


def test_a_loop_within_a_loop() -> None:
    text = """
    agraph (float[2] x, int64 most) => (float[2] y)
    <bool always = {1}, int64 three = {3}>
    {
      y = Loop (most, always, x) <
        body = outer (int64 i, bool go, float[2] u) => (bool on, float[2] w)
        {
          on = Identity(go)
          w = Loop (three, go, u) <
            body = inner (int64 k, bool go2, float[2] p) => (bool on2, float[2] q)
            { on2 = Identity(go2)  f = Cast<to = 1>(i)  q = Add(p, f) }
          >
        }
      >
    }
    """
    check_onnx(model(text), {"x": random(2), "most": np.array(4)})


def scan(steps: int, axis: int, backward: bool, out_axis: int, out_backward: bool) -> onnx.ModelProto:
    """Running sums of slices, and the slices scaled."""

    def info(name: str, shape: list[int]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    body = helper.make_graph(
        [helper.make_node("Add", ["s", "v"], ["t"]), helper.make_node("Mul", ["t", "factor"], ["shown"])],
        "body",
        [info("s", [4]), info("v", [4])],
        [info("t", [4]), info("shown", [4])],
    )
    node = helper.make_node(
        "Scan",
        ["first", "x"],
        ["last", "every"],
        body=body,
        num_scan_inputs=1,
        scan_input_axes=[axis],
        scan_input_directions=[int(backward)],
        scan_output_axes=[out_axis],
        scan_output_directions=[int(out_backward)],
    )
    shape = [steps, 4] if axis == 0 else [4, steps]
    graph = helper.make_graph(
        [node],
        "scan",
        [info("first", [4]), info("x", shape)],
        [info("last", [4]), info("every", [steps, 4] if out_axis == 0 else [4, steps])],
        [onnx.numpy_helper.from_array(np.float32(0.5).reshape(1), "factor")],
    )
    built = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return onnx.shape_inference.infer_shapes(built, strict_mode=True)


@pytest.mark.parametrize("steps", [3, 40])
@pytest.mark.parametrize(("axis", "backward", "out_axis", "out_backward"), [(0, False, 0, False), (1, True, 1, True)])
def test_scan(steps: int, axis: int, backward: bool, out_axis: int, out_backward: bool) -> None:
    feeds = {"first": random(4), "x": random(steps, 4) if axis == 0 else random(4, steps)}
    checked = check_onnx(scan(steps, axis, backward, out_axis, out_backward), feeds)
    assert ("while_loop" in checked["mlpackage"].written.operations) == (steps > 32)


def test_sequences_of_known_length_leave_no_trace() -> None:
    text = """
    agraph (float[6,4] x) => (float[8,4] y)
    <int64 two = {2}, int64 zero = {0}, int64 last = {-1}>
    {
      parts = SplitToSequence<axis = 0>(x, two)
      first = SequenceAt(parts, zero)
      more = SequenceInsert(parts, first)
      back = SequenceAt(more, last)
      fewer = SequenceErase(more, zero)
      again = SequenceInsert(fewer, back, zero)
      y = ConcatFromSequence<axis = 0>(again)
    }
    """
    check_onnx(model(text), {"x": random(6, 4)})


def test_a_node_of_a_body_is_reported_once() -> None:
    text = """
    agraph (float[3,6,6] x) => (float[3,6,6] y)
    <int64 three = {3}, bool always = {1}>
    {
      y = Loop (three, always, x) <
        body = step (int64 i, bool go, float[3,6,6] u) => (bool on, float[3,6,6] w)
        { on = Identity(go)  d = Det(u)  e = Unsqueeze(d, axes)  w = Mul(u, e) }
      >
    }
    """
    text = text.replace("<int64 three", "<int64[2] axes = {1, 2}, int64 three")
    with pytest.raises(UnsupportedLayersError) as caught:
        write_core_ml(source_of(model(text)), CoreMLTarget())
    assert [layer.class_name for layer in caught.value.layers].count("Det") == 1
