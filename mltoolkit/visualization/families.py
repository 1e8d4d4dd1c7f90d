"""What kind of layer a layer type is, for its colour. Types of both formats; what is not listed is ``other``."""

from __future__ import annotations

_FAMILIES = {
    "convolution": "convolution convolution3d conv conv_transpose conv_quantized",
    "matrix": "innerProduct batchedMatmul embedding embeddingND dot linear matmul einsum scaled_dot_product_attention",
    "recurrent": "simpleRecurrent gru uniDirectionalLSTM biDirectionalLSTM lstm rnn",
    "normalization": "batchnorm mvn l2normalize lrn layerNormalization batch_norm instance_norm layer_norm l2_norm "
    "local_response_norm softmax softmaxND",
    "activation": "activation clip clamped_relu clamp relu relu6 leaky_relu prelu elu gelu silu sigmoid sigmoid_hard "
    "tanh scaled_tanh softplus softplus_parametric softsign threshold thresholded_relu linear_activation",
    "pooling": "pooling pooling3d globalPooling3d max_pool avg_pool l2_pool reduce reduceMax reduceMin reduceArgMax "
    "reduceArgMin reduceL1 reduceL2 reduceLogSum reduceLogSumExp reduceMean reduceProd reduceSum reduceSumSquare "
    "reduce_argmax reduce_argmin reduce_l1_norm reduce_l2_norm reduce_log_sum reduce_log_sum_exp reduce_max "
    "reduce_mean reduce_min reduce_prod reduce_sum reduce_sum_square argMax argMin",
    "shape": "reshape reshapeLike reshapeStatic reshapeDynamic reshape_like rankPreservingReshape flatten flattenTo2D "
    "flatten2d permute transpose expandDims expand_dims squeeze slice sliceStatic sliceDynamic sliceBySize "
    "slice_by_index slice_by_size slice_update split splitND stack unstack concat concatND sequenceRepeat "
    "reorganizeData depth_to_space space_to_depth pixel_shuffle pixel_unshuffle space_to_batch batch_to_space padding "
    "constantPad pad crop cropResize crop_resize tile upsample upsample_nearest_neighbor upsample_bilinear "
    "resizeBilinear resize resize_bilinear resize_nearest_neighbor resample affine gather gatherND gatherAlongAxis "
    "gather_nd gather_along_axis scatter scatterND scatterAlongAxis scatter_nd scatter_along_axis reverse reverseSeq "
    "reverse_sequence slidingWindows sliding_windows broadcastToLike broadcastToStatic broadcastToDynamic getShape "
    "shape identity copy cast",
    "control": "branch loop loopBreak loopContinue cond while_loop make_list list_read list_write list_gather "
    "list_scatter list_length read_state write_state coreml_update_state select whereBroadcastable whereNonZero",
    "custom": "custom custom_layer",
    "arithmetic": "add addBroadcastable subtractBroadcastable multiply multiplyBroadcastable divideBroadcastable "
    "modBroadcastable floorDivBroadcastable powBroadcastable maxBroadcastable minBroadcastable average min max unary "
    "scale bias sub mul real_div floor_div mod pow maximum minimum abs sqrt rsqrt square exp exp2 log inverse sign erf "
    "ceil floor round sin cos tan asin acos atan sinh cosh asinh acosh atanh equal not_equal less less_equal greater "
    "greater_equal logical_and logical_or logical_xor logical_not cumSum cumsum quantize dequantize",
}
_FAMILY = {kind: family for family, kinds in _FAMILIES.items() for kind in kinds.split()}


def family_of(layer_type: str) -> str:
    """One of ``mltoolkit.markup.colours.FAMILIES``.

    >>> family_of("innerProduct"), family_of("conv_transpose"), family_of("acosh")
    ('matrix', 'convolution', 'arithmetic')
    """
    return _FAMILY.get(layer_type, "other")
