// Calls a kernel for every thread of a grid, with textures and buffers by index as Metal binds them.
#pragma once

#include <vector>

#include "include/KernelRunner.h"
#include "metal_stdlib"

struct Dispatch {
    KernelTexture *textures;
    const int32_t *texture_is_array;  // 0 or 1 each
    int texture_count;
    KernelBuffer *buffers;
    int buffer_count;
    const int32_t *grid;
};

// Arguments are bound in order: textures, buffers and the thread's position are told apart by type.
struct Cursor {
    const Dispatch &dispatch;
    int next_texture = 0;
    int next_buffer = 0;
};

static inline void require(bool condition, const std::string &what) {
    if (!condition) throw std::invalid_argument(what);
}

template <typename Argument, typename = void>
struct Bound;

template <typename Argument>
struct Bound<Argument, std::void_t<decltype(Argument::is_array)>> {
    static Argument get(Cursor &cursor, const int *) {
        const int index = cursor.next_texture++;
        require(index < cursor.dispatch.texture_count, "too few textures");
        require(cursor.dispatch.texture_is_array[index] == int(Argument::is_array), "texture of the wrong kind");
        Argument argument;
        argument.texels = cursor.dispatch.textures + index;
        return argument;
    }
};

template <typename Parameters>
struct Bound<const Parameters &, void> {
    static const Parameters &get(Cursor &cursor, const int *) {
        const int index = cursor.next_buffer++;
        require(index < cursor.dispatch.buffer_count, "too few buffers");
        const KernelBuffer &binding = cursor.dispatch.buffers[index];
        require(binding.length == sizeof(Parameters), "the parameters have " + std::to_string(binding.length) +
                                                          " bytes, the kernel's struct " +
                                                          std::to_string(sizeof(Parameters)));
        return *static_cast<const Parameters *>(binding.bytes);
    }
};

template <typename Element>
struct Bound<Element *, void> {
    static Element *get(Cursor &cursor, const int *) {
        const int index = cursor.next_buffer++;
        require(index < cursor.dispatch.buffer_count, "too few buffers");
        return static_cast<Element *>(cursor.dispatch.buffers[index].bytes);
    }
};

template <>
struct Bound<ushort2, void> {
    static ushort2 get(Cursor &, const int *thread) { return ushort2(thread[0], thread[1]); }
};
template <>
struct Bound<ushort3, void> {
    static ushort3 get(Cursor &, const int *thread) { return ushort3(thread[0], thread[1], thread[2]); }
};
template <>
struct Bound<uint, void> {
    static uint get(Cursor &, const int *thread) { return uint(thread[0]); }
};

template <typename... Arguments>
void run_threads(void (*function)(Arguments...), const Dispatch &dispatch) {
    for (int z = 0; z < dispatch.grid[2]; ++z) {
        for (int y = 0; y < dispatch.grid[1]; ++y) {
            for (int x = 0; x < dispatch.grid[0]; ++x) {
                const int thread[3] = {x, y, z};
                Cursor cursor{dispatch};
                // Braces evaluate from left to right, parentheses would not have to.
                std::tuple<Arguments...> arguments{Bound<Arguments>::get(cursor, thread)...};
                require(cursor.next_texture == dispatch.texture_count, "too many textures");
                require(cursor.next_buffer == dispatch.buffer_count, "too many buffers");
                std::apply(function, arguments);
            }
        }
    }
}

// The kernels of all units that are linked together.
struct KernelEntry {
    const char *name;
    void (*run)(const Dispatch &);
};

std::vector<KernelEntry> &kernel_entries();

struct KernelRegistration {
    KernelRegistration(const char *name, void (*run)(const Dispatch &)) { kernel_entries().push_back({name, run}); }
};

#define REGISTER_KERNEL(name) \
    static KernelRegistration registration_of_##name(#name, [](const Dispatch &dispatch) { run_threads(name, dispatch); });
