// Calls a kernel for every thread of a grid, with textures and buffers by index as Metal binds them.
#pragma once

#include "metal_stdlib"

struct Binding {
    void *bytes;
    size_t length;
};

struct Dispatch {
    metal::Texels *textures;
    const int *texture_is_array;  // 0 or 1 each
    int texture_count;
    Binding *buffers;
    int buffer_count;
    int grid[3];
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
        const Binding &binding = cursor.dispatch.buffers[index];
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

// Returns 0, or writes a message and returns 1.
template <typename Function>
int guarded(char *message, size_t room, Function function) {
    try {
        function();
        return 0;
    } catch (const std::exception &error) {
        std::strncpy(message, error.what(), room - 1);
        message[room - 1] = 0;
        return 1;
    }
}
