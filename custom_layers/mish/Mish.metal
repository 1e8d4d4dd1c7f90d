#include <metal_stdlib>
using namespace metal;

// x · tanh(ln(1 + eˣ)), element by element; see Swish.metal for the texture forms.

static inline half4 mish_of(half4 value) {
    const float4 x = float4(value);
    // ln(1 + eˣ) without overflow.
    const float4 softplus = max(x, float4(0.0f)) + log(1.0f + exp(-abs(x)));
    return half4(x * tanh(softplus));
}

kernel void mish_2d(texture2d<half, access::read> input [[texture(0)]],
                    texture2d<half, access::write> output [[texture(1)]],
                    ushort2 position [[thread_position_in_grid]]) {
    if (position.x >= output.get_width() || position.y >= output.get_height()) return;
    output.write(mish_of(input.read(position)), position);
}

kernel void mish_2d_array(texture2d_array<half, access::read> input [[texture(0)]],
                          texture2d_array<half, access::write> output [[texture(1)]],
                          ushort3 position [[thread_position_in_grid]]) {
    if (position.x >= output.get_width() || position.y >= output.get_height() ||
        position.z >= output.get_array_size()) return;
    output.write(mish_of(input.read(position.xy, position.z)), position.xy, position.z);
}
