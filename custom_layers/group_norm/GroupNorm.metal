#include <metal_stdlib>
using namespace metal;

// Group normalization as group_norm/layer.py computes it, in two kernels: the first finds mean and scale of every
// group (one thread a group of a picture), the second normalizes every texel. A texel holds four channels of one
// position; in an array texture the slices of picture n are n · ⌈C/4⌉ … (n + 1) · ⌈C/4⌉ − 1.

struct GroupNormParameters {
    int channels;  // C
    int groups;
    int pictures;  // N
    int affine;    // 0 or 1: whether scale and shift are given
    float epsilon;
};

static inline half4 texel(texture2d<half, access::read> picture, int column, int row, int slice) {
    return picture.read(ushort2(column, row));
}

static inline half4 texel(texture2d_array<half, access::read> picture, int column, int row, int slice) {
    return picture.read(ushort2(column, row), ushort(slice));
}

// Statistics of group `index % groups` of picture `index / groups`: mean and 1/√(variance + ε).
template <typename Picture>
static inline float2 statistics(Picture picture, int index, constant GroupNormParameters &parameters) {
    const int width = int(picture.get_width());
    const int height = int(picture.get_height());
    const int slices = (parameters.channels + 3) / 4;
    const int each = parameters.channels / parameters.groups;
    const int first = (index % parameters.groups) * each;
    const int slice = (index / parameters.groups) * slices;
    const float count = float(each) * float(width) * float(height);
    float sum = 0.0f;
    for (int channel = first; channel < first + each; ++channel) {
        for (int row = 0; row < height; ++row) {
            float partial = 0.0f;
            for (int column = 0; column < width; ++column) {
                partial += float(texel(picture, column, row, slice + channel / 4)[channel % 4]);
            }
            sum += partial;
        }
    }
    const float mean = sum / count;
    float squares = 0.0f;
    for (int channel = first; channel < first + each; ++channel) {
        for (int row = 0; row < height; ++row) {
            float partial = 0.0f;
            for (int column = 0; column < width; ++column) {
                const float apart = float(texel(picture, column, row, slice + channel / 4)[channel % 4]) - mean;
                partial += apart * apart;
            }
            squares += partial;
        }
    }
    return float2(mean, 1.0f / sqrt(squares / count + parameters.epsilon));
}

template <typename Picture>
static inline half4 normalized(Picture picture, int2 position, int slice, constant GroupNormParameters &parameters,
                               device const float2 *groups, device const float *scale_and_shift) {
    const int slices = (parameters.channels + 3) / 4;
    const int each = parameters.channels / parameters.groups;
    const int number = slice / slices;
    const half4 value = texel(picture, position.x, position.y, slice);
    half4 result = half4(0.0f);
    for (int lane = 0; lane < 4; ++lane) {
        const int channel = (slice % slices) * 4 + lane;
        if (channel >= parameters.channels) break;
        const float2 group = groups[number * parameters.groups + channel / each];
        float normal = (float(value[lane]) - group.x) * group.y;
        if (parameters.affine != 0) {
            normal = normal * scale_and_shift[channel] + scale_and_shift[parameters.channels + channel];
        }
        result[lane] = half(normal);
    }
    return result;
}

kernel void group_norm_statistics_2d(texture2d<half, access::read> input [[texture(0)]],
                                     constant GroupNormParameters &parameters [[buffer(0)]],
                                     device float2 *groups [[buffer(1)]],
                                     uint index [[thread_position_in_grid]]) {
    if (int(index) >= parameters.groups * parameters.pictures) return;
    groups[index] = statistics(input, int(index), parameters);
}

kernel void group_norm_statistics_2d_array(texture2d_array<half, access::read> input [[texture(0)]],
                                           constant GroupNormParameters &parameters [[buffer(0)]],
                                           device float2 *groups [[buffer(1)]],
                                           uint index [[thread_position_in_grid]]) {
    if (int(index) >= parameters.groups * parameters.pictures) return;
    groups[index] = statistics(input, int(index), parameters);
}

kernel void group_norm_2d(texture2d<half, access::read> input [[texture(0)]],
                          texture2d<half, access::write> output [[texture(1)]],
                          constant GroupNormParameters &parameters [[buffer(0)]],
                          device const float2 *groups [[buffer(1)]],
                          device const float *scale_and_shift [[buffer(2)]],
                          ushort2 position [[thread_position_in_grid]]) {
    if (position.x >= output.get_width() || position.y >= output.get_height()) return;
    const int2 place = int2(position.x, position.y);
    output.write(normalized(input, place, 0, parameters, groups, scale_and_shift), position);
}

kernel void group_norm_2d_array(texture2d_array<half, access::read> input [[texture(0)]],
                                texture2d_array<half, access::write> output [[texture(1)]],
                                constant GroupNormParameters &parameters [[buffer(0)]],
                                device const float2 *groups [[buffer(1)]],
                                device const float *scale_and_shift [[buffer(2)]],
                                ushort3 position [[thread_position_in_grid]]) {
    if (position.x >= output.get_width() || position.y >= output.get_height() ||
        position.z >= output.get_array_size()) return;
    const int2 place = int2(position.x, position.y);
    const half4 value = normalized(input, place, int(position.z), parameters, groups, scale_and_shift);
    output.write(value, position.xy, position.z);
}
