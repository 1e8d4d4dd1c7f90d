"""Operations of ``keras.ops`` in a functional graph, each against Keras itself; on feature maps too."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers, ops
from keras_check import check_model, example_inputs, node_counts

UNARY = [
    "abs",
    "absolute",
    "arcsinh",
    "arctan",
    "ceil",
    "cos",
    "cosh",
    "deg2rad",
    "erf",
    "exp",
    "exp2",
    "expm1",
    "floor",
]
UNARY += ["negative", "rad2deg", "round", "sign", "sin", "sinh", "square", "tan", "trunc"]
POSITIVE = ["log", "log10", "log1p", "log2", "reciprocal", "rsqrt", "sqrt", "arccosh"]
WITHIN_ONE = ["arccos", "arcsin", "arctanh"]


def check(function, *shapes, inputs=None, dtypes=None, **options):
    """Of inputs as they are, and of feature maps that convolutions made where the rank is 4."""
    symbols = [
        keras.Input(shape, dtype=dtype)
        for shape, dtype in zip(shapes, dtypes or ["float32"] * len(shapes), strict=True)
    ]
    model = keras.Model(symbols, function(*symbols))
    source = check_model(model, inputs=inputs, **options)
    if all(len(shape) == 3 for shape in shapes) and dtypes is None and inputs is None:
        mapped = [layers.Conv2D(shape[-1], 1)(symbol) for symbol, shape in zip(symbols, shapes, strict=True)]
        check_model(keras.Model(symbols, function(*mapped)), **options)
    return source


@pytest.mark.parametrize("name", UNARY)
def test_unary(name):
    check(getattr(ops, name), (4, 5))


@pytest.mark.parametrize("name", POSITIVE + WITHIN_ONE)
def test_unary_of_a_range(name):
    rng = np.random.default_rng(0)
    low, high = (1.1, 4.0) if name in POSITIVE else (-0.9, 0.9)
    check(getattr(ops, name), (4, 5), inputs=[rng.uniform(low, high, (1, 4, 5)).astype(np.float32)])


BINARY = ["add", "subtract", "multiply", "divide", "maximum", "minimum", "equal", "not_equal", "greater", "less"]
BINARY += ["greater_equal", "less_equal", "floor_divide", "mod", "hypot", "logaddexp", "divide_no_nan"]


@pytest.mark.parametrize("name", BINARY)
def test_binary(name):
    check(getattr(ops, name), (4, 5), (4, 5))
    check(getattr(ops, name), (3, 4, 5), (1, 4, 1))


@pytest.mark.parametrize("name", ["logical_and", "logical_or", "logical_xor"])
def test_logical(name):
    check(lambda x, y: getattr(ops, name)(x > 0, y > 0), (4, 5), (4, 5))


def test_numbers_of_other_types():
    check(lambda x: x**2 + ops.power(ops.abs(x), 0.5), (4, 5))
    check(lambda x: (x // 2) * 2 + x % 3, (4, 5), dtypes=["int32"])
    check(lambda x: ops.cast(x, "float32") * 0.5, (4, 5), dtypes=["bool"])
    check(lambda x: ops.logical_not(ops.isnan(x / 0)), (4, 5))
    check(lambda x: ops.clip(x, -0.5, 0.75), (4, 5))
    check(lambda x: ops.zeros_like(x) + ops.ones_like(x) - ops.full_like(x, 3.0) + x, (4, 5, 3))


def test_where():
    check(lambda x, y: ops.where(x > y, x, y * 2), (4, 5, 3), (4, 5, 3))
    check(lambda x: ops.where(x > 0, x, 0.0), (4, 5, 3))
    check(lambda x: ops.where(x > 0, 1.0, -1.0), (4, 5))


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 1, -1, (1, 2), (2, 3), (1, 3), 0, (0, 1)])
@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "var", "std", "logsumexp"])
def test_reductions(name, axis, keepdims):
    if axis is None and keepdims:
        pytest.skip("Keras on torch drops the axes that it says it keeps")
    check(lambda x: getattr(ops, name)(x, axis=axis, keepdims=keepdims), (4, 5, 6))


@pytest.mark.parametrize("axis", [None, 1, -1])
def test_other_reductions(axis):
    check(lambda x: ops.prod(x, axis=axis), (3, 4, 2))
    check(lambda x: ops.argmax(x, axis=axis), (3, 4, 2))
    check(lambda x: ops.argmin(x, axis=axis), (3, 4, 2))
    check(lambda x: ops.any(x > 1, axis=axis), (3, 4, 2))
    check(lambda x: ops.all(x > -1, axis=axis), (3, 4, 2))
    if axis is None:  # with an axis, Keras on torch gives the sizes in reverse
        check(lambda x: ops.count_nonzero(x > 0), (3, 4, 2))
    check(lambda x: ops.cumsum(x, axis=axis), (3, 4, 2))


def test_moments_and_norms():
    check(lambda x: ops.concatenate(ops.moments(x, axes=[1, 2]), axis=-1), (4, 5, 3))
    check(lambda x: ops.norm(x, axis=-1) + ops.norm(x, ord=1, axis=-1), (4, 5, 3))
    check(lambda x: ops.normalize(x, axis=-1), (4, 5, 3))
    check(lambda x: ops.layer_normalization(x, axis=-1), (4, 5, 3))
    check(lambda x: ops.rms_normalization(x, axis=-1), (4, 5, 3))


RESHAPES = {
    "reshape": lambda x: ops.reshape(x, (-1, 5, 12)),
    "transpose": lambda x: ops.transpose(x, (0, 3, 1, 2)),
    "swapaxes": lambda x: ops.swapaxes(x, 1, -1),
    "moveaxis": lambda x: ops.moveaxis(x, [1, 2], [-1, 1]),
    "expand_dims": lambda x: ops.expand_dims(x, 2),
    "expand_and_squeeze": lambda x: ops.squeeze(ops.expand_dims(x, (1, -1)), axis=1),
    "squeeze": lambda x: ops.squeeze(x[:, :1], axis=1),
    "flip": lambda x: ops.flip(x, axis=(1, 3)),
    "roll": lambda x: ops.roll(x, 2, axis=1),
    "repeat": lambda x: ops.repeat(x, 3, axis=2),
    "tile": lambda x: ops.tile(x, (1, 2, 1, 3)),
    "broadcast_to": lambda x: ops.broadcast_to(x[:, :1], (1, 7, 5, 3)),
    "stack": lambda x: ops.stack([x, x * 2], axis=2),
    "unstack": lambda x: ops.unstack(x, axis=1)[1],
    "split": lambda x: ops.concatenate(ops.split(x, [1, 3], axis=1)[::-1], axis=1),
    "split_evenly": lambda x: ops.split(x, 2, axis=1)[1],
    "pad": lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 1), (0, 0))),
    "pad_with": lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 1), (1, 0)), constant_values=2.5),
    "pad_reflect": lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 1), (0, 0)), mode="reflect"),
}


@pytest.mark.parametrize("name", RESHAPES)
def test_shapes(name):
    check(RESHAPES[name], (4, 5, 3))


ITEMS = {
    "slices": lambda x: x[:, 1:3, ::2],
    "negative": lambda x: x[:, -1],
    "ellipsis": lambda x: x[..., 0],
    "new_axis": lambda x: x[:, None, 1, ..., 1:],
    "several": lambda x: x[:, 1, 2, -2:],
}


@pytest.mark.parametrize("name", ITEMS)
def test_items(name):
    check(ITEMS[name], (4, 5, 3))


def test_slices_of_feature_maps_leave_no_transposes():
    x = keras.Input((8, 8, 3))
    y = layers.Conv2D(4, 3)(x)
    z = layers.Conv2D(2, 3)(y[:, 1:-1, ::2, 1:])
    assert node_counts(check_model(keras.Model(x, z)))["Transpose"] == 2


def test_picking():
    check(lambda x: ops.take(x, [2, 0, 1], axis=1), (4, 5))
    check(lambda x, i: ops.take(x, i, axis=None), (5,), (3,), dtypes=["float32", "int32"])
    check(lambda x, i: ops.take_along_axis(x, i, axis=1), (5, 3), (2, 3), dtypes=["float32", "int32"])
    check(lambda x: ops.slice(x, (0, 1, 2), (1, 2, 3)), (4, 5))
    check(lambda x: ops.sort(x, axis=1), (4, 5, 3))
    check(lambda x: ops.argsort(x, axis=-1), (4, 5))
    check(lambda x: ops.top_k(x, 3)[0], (8,))
    check(lambda x: ops.top_k(x, 3)[1], (8,))
    check(lambda x: ops.one_hot(x, 6), (4,), dtypes=["int32"])
    check(lambda x: ops.one_hot(x, 6, axis=1), (4,), dtypes=["int32"])
    check(lambda x: ops.tril(x) + ops.triu(x, 1), (4, 4))


def test_products():
    check(ops.matmul, (4, 5), (5, 3))
    check(lambda x: x @ np.ones((5, 3), np.float32), (4, 5))
    check(lambda x, y: ops.einsum("bij,bjk->bik", x, y), (4, 5), (5, 3))
    check(lambda x: ops.einsum("bhwc,cd->bhwd", x, np.arange(6, dtype=np.float32).reshape(3, 2)), (4, 5, 3))
    check(lambda x: ops.tensordot(x, np.arange(12, dtype=np.float32).reshape(4, 3), axes=[[1], [0]]), (4, 5))
    check(lambda x: ops.dot(x, np.arange(15, dtype=np.float32).reshape(5, 3)), (4, 5))
    check(lambda x: ops.outer(x[0], x[0]), (5,))


def test_a_constant_that_is_no_float32():
    x = keras.Input((3,))
    model = keras.Model(x, x * np.array([1.0, 2.0, 3.0]))
    assert example_inputs(model, np.random.default_rng(0))[0].dtype == np.float32
    check_model(model)


def test_neural_operations_with_constant_kernels():
    rng = np.random.default_rng(0)
    kernel = ops.convert_to_tensor(rng.standard_normal((3, 3, 3, 4), np.float32))
    points = ops.convert_to_tensor(rng.standard_normal((1, 1, 12, 5), np.float32))
    check(lambda x: ops.conv(x, kernel, 2, "same"), (8, 9, 3))
    check(lambda x: ops.depthwise_conv(x, kernel, 1, "valid"), (8, 9, 3))
    check(lambda x: ops.separable_conv(x, kernel, points, 1), (8, 9, 3))
    # Not conv_transpose: a model of Keras 3.15 swaps its padding and output_padding, and cannot run.
    check(lambda x: ops.max_pool(x, 2) + ops.average_pool(x, 2, 2), (8, 10, 3))
    check(lambda x: ops.batch_normalization(x, np.zeros(3), np.ones(3) * 2, -1), (4, 5, 3))


def test_blocks_of_pixels():
    check(lambda x: ops.depth_to_space(x, 2), (3, 4, 8))
    check(lambda x: ops.space_to_depth(x, 2), (4, 6, 3))


def test_angles():
    check(ops.arctan2, (4, 5), (4, 5))
    zeros, numbers = np.zeros((1, 3), np.float32), np.array([[-1.0, 0.0, 1.0]], np.float32)
    for y, x in ((zeros, numbers), (numbers, zeros), (zeros, zeros), (numbers, numbers[:, ::-1].copy())):
        check(ops.arctan2, (3,), (3,), inputs=[y, x])


@pytest.mark.parametrize(
    ("pattern", "sizes"),
    [
        ("b h w c -> b (h w) c", {}),
        ("b (h p) (w q) c -> b (h w) (p q c)", {"p": 2, "q": 3}),
        ("b h w c -> b c h w", {}),
        ("b h w (n c) -> b n (h w) c", {"n": 2}),
    ],
)
def test_rearrange(pattern, sizes):
    x = keras.Input(batch_shape=(1, 4, 6, 8))  # Keras itself cannot rearrange an open batch
    check_model(keras.Model(x, ops.rearrange(x, pattern, **sizes)))
    check_model(keras.Model(x, ops.rearrange(layers.Conv2D(8, 1)(x), pattern, **sizes)))


def test_patches_and_grey_pictures():
    check(lambda x: ops.image.extract_patches(x, 2), (4, 6, 3))
    check(lambda x: ops.image.extract_patches(x, (3, 2), strides=(1, 2), padding="same"), (5, 6, 3))
    check(lambda x: ops.image.rgb_to_grayscale(x, data_format="channels_last"), (5, 6, 3))
