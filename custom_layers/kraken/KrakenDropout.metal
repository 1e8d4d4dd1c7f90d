#include <metal_stdlib>
using namespace metal;

// A copy, so that a network on the GPU need not leave it for a layer that does nothing; see Swish.metal for the texture
// forms.

kernel void kraken_dropout_2d(texture2d<half, access::read> input [[texture(0)]],
                              texture2d<half, access::write> output [[texture(1)]],
                              ushort2 position [[thread_position_in_grid]]) {
    if (position.x >= output.get_width() || position.y >= output.get_height()) return;
    output.write(input.read(position), position);
}

kernel void kraken_dropout_2d_array(texture2d_array<half, access::read> input [[texture(0)]],
                                    texture2d_array<half, access::write> output [[texture(1)]],
                                    ushort3 position [[thread_position_in_grid]]) {
    if (position.x >= output.get_width() || position.y >= output.get_height() ||
        position.z >= output.get_array_size()) return;
    output.write(input.read(position.xy, position.z), position.xy, position.z);
}
