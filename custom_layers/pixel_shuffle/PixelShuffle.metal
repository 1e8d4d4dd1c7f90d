#include <metal_stdlib>
using namespace metal;

// Pixel shuffle of one picture as pixel_shuffle/layer.py computes it. A texel holds four channels of one position. Up to
// four channels may come as a plain texture, more as an array of slices; the output has fewer than the input.

struct PixelShuffleParameters {
    int factor;
};

// Channel `channel` at a position; what lies behind the last slice is not part of any output channel.
static inline half element(texture2d_array<half, access::read> input, int column, int row, int channel) {
    if (channel / 4 >= int(input.get_array_size())) return half(0.0f);
    return input.read(ushort2(column, row), ushort(channel / 4))[channel % 4];
}

static inline half element(texture2d<half, access::read> input, int column, int row, int channel) {
    if (channel >= 4) return half(0.0f);
    return input.read(ushort2(column, row))[channel];
}

template <typename Picture>
static inline half4 shuffled(Picture input, int2 position, int slice, int factor) {
    const int block = (position.y % factor) * factor + position.x % factor;
    half4 result = half4(0.0f);
    for (int lane = 0; lane < 4; ++lane) {
        const int channel = (slice * 4 + lane) * factor * factor + block;
        result[lane] = element(input, position.x / factor, position.y / factor, channel);
    }
    return result;
}

kernel void pixel_shuffle_plain_2d(texture2d<half, access::read> input [[texture(0)]],
                                   texture2d<half, access::write> output [[texture(1)]],
                                   constant PixelShuffleParameters &parameters [[buffer(0)]],
                                   ushort2 position [[thread_position_in_grid]]) {
    if (position.x >= output.get_width() || position.y >= output.get_height()) return;
    output.write(shuffled(input, int2(position.x, position.y), 0, parameters.factor), position);
}

kernel void pixel_shuffle_2d(texture2d_array<half, access::read> input [[texture(0)]],
                             texture2d<half, access::write> output [[texture(1)]],
                             constant PixelShuffleParameters &parameters [[buffer(0)]],
                             ushort2 position [[thread_position_in_grid]]) {
    if (position.x >= output.get_width() || position.y >= output.get_height()) return;
    output.write(shuffled(input, int2(position.x, position.y), 0, parameters.factor), position);
}

kernel void pixel_shuffle_2d_array(texture2d_array<half, access::read> input [[texture(0)]],
                                   texture2d_array<half, access::write> output [[texture(1)]],
                                   constant PixelShuffleParameters &parameters [[buffer(0)]],
                                   ushort3 position [[thread_position_in_grid]]) {
    if (position.x >= output.get_width() || position.y >= output.get_height() ||
        position.z >= output.get_array_size()) return;
    const int2 place = int2(position.x, position.y);
    output.write(shuffled(input, place, int(position.z), parameters.factor), position.xy, position.z);
}
