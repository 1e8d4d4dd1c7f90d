"""Imports damaged ONNX models, in a process of its own that may crash or hang; see test_onnx_mutations.py.

    python onnx_mutation_worker.py FIRST STOP      says "SEED started", then "SEED SECONDS OUTCOME"

By hand, one seed with its traceback:

    python onnx_mutation_worker.py SEED
"""

from __future__ import annotations

import contextlib
import random
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent.parent)]

from formats.mutations import change_field, damage_bytes  # noqa: E402
from onnx_models import FLOAT, model_of, normal  # noqa: E402

from mltoolkit.converters.onnx_import.importer import import_onnx  # noqa: E402
from mltoolkit.errors import MLToolkitError  # noqa: E402

INT64 = TensorProto.INT64
MEMORY = 6 << 30


def network() -> onnx.ModelProto:
    """Weights, shapes that are computed, an unknown size."""
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("BatchNormalization", ["c", "p", "p", "p", "p"], ["n"], epsilon=0.01),
        helper.make_node("Clip", ["n", "zero", "six"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["m"], kernel_shape=[2, 2]),
        helper.make_node("Resize", ["m", "", "scales"], ["u"], mode="linear"),
        helper.make_node("Shape", ["u"], ["s"], end=1),
        helper.make_node("Concat", ["s", "rest"], ["t"], axis=0),
        helper.make_node("Reshape", ["u", "t"], ["f"]),
        helper.make_node("Gemm", ["f", "fc"], ["g"], transB=1),
        helper.make_node("Softmax", ["g"], ["y"], axis=-1),
    ]
    weights = {
        "w": normal(4, 3, 3, 3),
        "b": normal(4),
        "p": np.ones(4, np.float32),
        "zero": np.float32(0),
        "six": np.float32(6),
        "scales": np.array([1, 1, 2, 2], np.float32),
        "rest": np.array([64]),
        "fc": normal(5, 64),
    }
    return model_of(nodes, {"x": (FLOAT, ("N", 3, 8, 8))}, {"y": (FLOAT, ("N", 5))}, weights)


def recurrent() -> onnx.ModelProto:
    """Old forms: axes as attributes."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
        helper.make_node("LSTM", ["t", "w", "r", "b"], ["h"], hidden_size=3, activations=["Sigmoid", "Tanh", "Tanh"]),
        helper.make_node("Squeeze", ["h"], ["q"], axes=[1]),
        helper.make_node("Slice", ["q"], ["l"], starts=[-1], ends=[9], axes=[0]),
        helper.make_node("Pad", ["l"], ["d"], pads=[0, 0, 1, 0, 0, 1]),
        helper.make_node("Upsample", ["d"], ["u"], scales=[1.0, 1.0, 2.0]),
        helper.make_node("TopK", ["u"], ["y", "i"], k=2, axis=-1),
    ]
    weights = {"w": normal(1, 12, 4), "r": normal(1, 12, 3), "b": normal(1, 24)}
    return model_of(nodes, {"x": (FLOAT, (2, 6, 4))}, {"y": (FLOAT, None), "i": (INT64, None)}, weights, opset=8)


def controlled() -> onnx.ModelProto:
    """Bodies, a function, a sequence."""
    turn = model_of(
        [helper.make_node("Add", ["v", "x"], ["w"]), helper.make_node("Identity", ["g"], ["h"])],
        {"i": (INT64, ()), "g": (TensorProto.BOOL, ()), "v": (FLOAT, (2,))},
        {"h": (TensorProto.BOOL, ()), "w": (FLOAT, (2,))},
    ).graph
    then = model_of([helper.make_node("Relu", ["l"], ["t"])], {}, ["t"]).graph
    other = model_of([helper.make_node("Neg", ["l"], ["e"])], {}, ["e"]).graph
    opsets = [helper.make_opsetid("", 17)]
    twice = helper.make_function("mine", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], opsets)
    nodes = [
        helper.make_node("Loop", ["n", "", "x"], ["l"], body=turn),
        helper.make_node("If", ["c"], ["f"], then_branch=then, else_branch=other),
        helper.make_node("Twice", ["f"], ["d"], domain="mine"),
        helper.make_node("SequenceConstruct", ["d", "x"], ["s"]),
        helper.make_node("ConcatFromSequence", ["s"], ["k"], axis=0),
        helper.make_node("DequantizeLinear", ["q", "scale", "point"], ["z"]),
        helper.make_node("MatMul", ["k", "z"], ["y"]),
    ]
    weights = {"n": np.array(3), "q": np.arange(12, dtype=np.int64).reshape(4, 3).astype(np.int8)}
    weights |= {"scale": np.float32(0.5), "point": np.int8(1)}
    inputs = {"x": (FLOAT, (2,)), "c": (TensorProto.BOOL, ())}
    return model_of(nodes, inputs, ["y"], weights, domains=[("mine", 1)], functions=[twice])


BASES = (network, recurrent, controlled)


def mutated(seed: int) -> tuple[bytes, str]:
    """A damaged model and what was done to it; every fourth seed damages bytes, the others fields and nodes."""
    rng = random.Random(seed)
    model = BASES[seed % len(BASES)]()
    if rng.random() < 0.25:
        mutation = damage_bytes(model.SerializeToString(), rng)
        return mutation.data, mutation.description
    steps = []
    for _ in range(rng.choice((1, 1, 2))):
        try:
            steps.append(rng.choice((change_field, change_field, _change_nodes))(model, rng))
        except ValueError:  # ONNX's enumerations hold no other numbers
            steps.append("no such number")
    return model.SerializeToString(), "; ".join(steps)


def _change_nodes(model: Any, rng: random.Random) -> str:
    nodes = model.graph.node
    if not nodes:
        return "no nodes"
    index = rng.randrange(len(nodes))
    node = nodes[index]
    action = rng.choice(("remove", "repeat", "retype", "input", "output", "opset", "weights"))
    if action == "remove":
        del nodes[index]
    elif action == "repeat":
        nodes.append(node)
    elif action == "retype":
        node.op_type = rng.choice([schema.name for schema in onnx.defs.get_all_schemas()])
    elif action == "opset":
        model.opset_import[0].version = rng.randrange(1, 32)
    elif action == "weights":
        tensor = rng.choice(model.graph.initializer)
        tensor.raw_data = rng.choice((b"", tensor.raw_data[:-1], b"\xff" * len(tensor.raw_data), rng.randbytes(8)))
    else:
        names = getattr(node, action)
        known = [name for other in nodes for name in (*other.input, *other.output)]
        if names:
            names[rng.randrange(len(names))] = rng.choice((*known, "nothing", ""))
    return f"{action} at {index}"


def outcome(data: bytes) -> str:
    """What the import says: ``ok``, one of our errors, or the name of another, which is a fault."""
    try:
        import_onnx(data)
    except MLToolkitError as error:
        return f"error {type(error).__name__}"
    except BaseException as error:
        return f"FAULT {type(error).__name__}: {error}".replace("\n", " ")[:300]
    return "ok"


def say(*words: object) -> None:
    """A line to the test."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> None:
    """Import the models of some seeds."""
    import logging

    logging.disable(logging.CRITICAL)
    with contextlib.suppress(ImportError, ValueError, OSError):  # systems without this limit
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    numbers = [int(word) for word in arguments]
    if len(numbers) == 1:
        data, description = mutated(numbers[0])
        sys.stdout.write(description + "\n")
        try:
            import_onnx(data)
        except Exception:
            traceback.print_exc()
        return
    for seed in range(*numbers):
        data, description = mutated(seed)
        say(seed, "started", description.replace("\n", " ")[:150])
        start = time.perf_counter()
        result = outcome(data)
        say(seed, f"{time.perf_counter() - start:.1f}", result)


if __name__ == "__main__":
    main(sys.argv[1:])
