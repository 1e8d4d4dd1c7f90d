#include <metal_stdlib>
using namespace metal;

// Bilinear sampling of a picture through an affine map (theta), as grid_sampler/layer.py computes it.
//
// A texel holds four channels of one position. In an array texture the slices of picture n are
// n · ⌈C/4⌉ … (n + 1) · ⌈C/4⌉ − 1, and theta's six numbers fill one and a half texels: slices 2n and 2n + 1.

constant int kZeros = 0;
constant int kBorder = 1;
constant int kReflection = 2;

struct GridSamplerParameters {
    int slices;         // ⌈C/4⌉
    int align_corners;  // 0 or 1
    int padding_mode;   // kZeros, kBorder, kReflection
    int stn_keras;      // 0 or 1: early Keras transformers, see stn_keras.py
};

// Where element `index` of `size` output elements lies in −1..1.
static inline float base_coordinate(int index, int size, bool align_corners) {
    if (!align_corners) return (2.0f * float(index) + 1.0f) / float(size) - 1.0f;
    return size > 1 ? 2.0f * float(index) / float(size - 1) - 1.0f : 0.0f;
}

static inline float to_pixels(float normalized, int size, bool align_corners) {
    if (align_corners) return (normalized + 1.0f) * (0.5f * float(size - 1));
    return ((normalized + 1.0f) * float(size) - 1.0f) * 0.5f;
}

static inline float reflected(float pixel, int size, bool align_corners) {
    const float low = align_corners ? 0.0f : -0.5f;
    const float span = align_corners ? float(size - 1) : float(size);
    if (span <= 0.0f) return 0.0f;
    const float turns = floor((pixel - low) / (2.0f * span));
    const float folded = (pixel - low) - turns * 2.0f * span;
    return min(folded, 2.0f * span - folded) + low;
}

// The two elements beside a position, and their shares.
struct Corners {
    int low;
    int high;
    float low_share;
    float high_share;
};

static inline Corners corners_at(float normalized, int size, constant GridSamplerParameters &parameters) {
    Corners result;
    if (parameters.stn_keras != 0) {
        const float position = clamp(0.5f * (normalized + 1.0f) * float(size), -1.0e9f, 1.0e9f);
        const int truncated = int(position);
        result.low = clamp(truncated, 0, size - 1);
        result.high = clamp(truncated + 1, 0, size - 1);
        result.low_share = float(result.high) - position;
        result.high_share = position - float(result.low);
        return result;
    }
    const bool align_corners = parameters.align_corners != 0;
    float pixel = to_pixels(normalized, size, align_corners);
    if (parameters.padding_mode == kReflection) pixel = reflected(pixel, size, align_corners);
    if (parameters.padding_mode == kZeros) pixel = clamp(pixel, -1.0f, float(size));
    else pixel = clamp(pixel, 0.0f, float(size - 1));
    const float below = floor(pixel);
    result.low = int(below);
    result.high = result.low + 1;
    result.high_share = pixel - below;
    result.low_share = 1.0f - result.high_share;
    return result;
}

static inline half4 texel(texture2d<half, access::read> picture, int column, int row, int slice) {
    return picture.read(ushort2(column, row));
}

static inline half4 texel(texture2d_array<half, access::read> picture, int column, int row, int slice) {
    return picture.read(ushort2(column, row), ushort(slice));
}

// The four channels of an element; zeros outside the picture.
template <typename Picture>
static inline float4 element(Picture picture, int column, int row, int slice) {
    if (column < 0 || row < 0 || column >= int(picture.get_width()) || row >= int(picture.get_height())) {
        return float4(0.0f);
    }
    return float4(texel(picture, column, row, slice));
}

// first and last are theta's numbers 0…3 and 4, 5.
template <typename Picture>
static inline half4 sampled(Picture picture, int slice, float4 first, float2 last, int2 position, int2 size,
                            constant GridSamplerParameters &parameters) {
    const bool align_corners = parameters.align_corners != 0;
    const float u = base_coordinate(position.x, size.x, align_corners);
    const float v = base_coordinate(position.y, size.y, align_corners);
    const float x = first.x * u + first.y * v + first.z;
    const float y = first.w * u + last.x * v + last.y;
    if (isnan(x) || isnan(y)) return half4(0.0f);
    if (parameters.stn_keras != 0 && (isinf(x) || isinf(y))) return half4(0.0f);
    const Corners across = corners_at(x, int(picture.get_width()), parameters);
    const Corners down = corners_at(y, int(picture.get_height()), parameters);
    const float4 upper = element(picture, across.low, down.low, slice) * across.low_share +
                         element(picture, across.high, down.low, slice) * across.high_share;
    const float4 lower = element(picture, across.low, down.high, slice) * across.low_share +
                         element(picture, across.high, down.high, slice) * across.high_share;
    return half4(upper * down.low_share + lower * down.high_share);
}

// A picture of at most four channels; theta still fills two slices.
kernel void grid_sampler_2d(texture2d<half, access::read> input [[texture(0)]],
                            texture2d_array<half, access::read> theta [[texture(1)]],
                            texture2d<half, access::write> output [[texture(2)]],
                            constant GridSamplerParameters &parameters [[buffer(0)]],
                            ushort2 position [[thread_position_in_grid]]) {
    if (position.x >= output.get_width() || position.y >= output.get_height()) return;
    const float4 first = float4(theta.read(ushort2(0, 0), 0));
    const float4 second = float4(theta.read(ushort2(0, 0), 1));
    const int2 size = int2(output.get_width(), output.get_height());
    const int2 place = int2(position.x, position.y);
    output.write(sampled(input, 0, first, second.xy, place, size, parameters), position);
}

kernel void grid_sampler_2d_array(texture2d_array<half, access::read> input [[texture(0)]],
                                  texture2d_array<half, access::read> theta [[texture(1)]],
                                  texture2d_array<half, access::write> output [[texture(2)]],
                                  constant GridSamplerParameters &parameters [[buffer(0)]],
                                  ushort3 position [[thread_position_in_grid]]) {
    if (position.x >= output.get_width() || position.y >= output.get_height() ||
        position.z >= output.get_array_size()) return;
    const int map = 2 * (int(position.z) / parameters.slices);
    const float4 first = float4(theta.read(ushort2(0, 0), ushort(map)));
    const float4 second = float4(theta.read(ushort2(0, 0), ushort(map + 1)));
    const int2 size = int2(output.get_width(), output.get_height());
    const int2 place = int2(position.x, position.y);
    const half4 value = sampled(input, int(position.z), first, second.xy, place, size, parameters);
    output.write(value, position.xy, position.z);
}
