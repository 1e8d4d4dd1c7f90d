#include <metal_stdlib>
using namespace metal;

// x · σ(βx), element by element. A texel holds four channels of one position; both texture forms that Core ML may
// hand over have a kernel.

struct SwishParameters {
    float beta;
};

static inline half4 swish_of(half4 value, float beta) {
    const float4 x = float4(value);
    return half4(x / (1.0f + exp(-beta * x)));
}

kernel void swish_2d(texture2d<half, access::read> input [[texture(0)]],
                     texture2d<half, access::write> output [[texture(1)]],
                     constant SwishParameters &parameters [[buffer(0)]],
                     ushort2 position [[thread_position_in_grid]]) {
    if (position.x >= output.get_width() || position.y >= output.get_height()) return;
    output.write(swish_of(input.read(position), parameters.beta), position);
}

kernel void swish_2d_array(texture2d_array<half, access::read> input [[texture(0)]],
                           texture2d_array<half, access::write> output [[texture(1)]],
                           constant SwishParameters &parameters [[buffer(0)]],
                           ushort3 position [[thread_position_in_grid]]) {
    if (position.x >= output.get_width() || position.y >= output.get_height() ||
        position.z >= output.get_array_size()) return;
    const half4 value = input.read(position.xy, position.z);
    output.write(swish_of(value, parameters.beta), position.xy, position.z);
}
