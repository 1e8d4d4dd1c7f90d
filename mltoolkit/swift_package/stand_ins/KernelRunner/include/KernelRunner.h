// Kernels of .metal files, compiled as C++, run by name.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Half RGBA texels [slices][height][width][4], and how often each was written.
typedef struct {
    int32_t width;
    int32_t height;
    int32_t slices;
    uint16_t *values;
    int32_t *writes;
} KernelTexture;

typedef struct {
    void *bytes;
    size_t length;
} KernelBuffer;

/// Whether there is a kernel of that name.
int kernel_exists(const char *name);

/// Run a kernel for every thread of a grid; 0, or 1 and a message.
int run_kernel(const char *name, KernelTexture *textures, const int32_t *texture_is_array, int32_t texture_count,
               KernelBuffer *buffers, int32_t buffer_count, const int32_t *grid, char *message, size_t room);

#ifdef __cplusplus
}
#endif
