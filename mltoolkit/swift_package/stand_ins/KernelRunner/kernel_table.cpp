#include "dispatch.h"

std::vector<KernelEntry> &kernel_entries() {
    static std::vector<KernelEntry> entries;
    return entries;
}

static const KernelEntry *find_kernel(const char *name) {
    for (const KernelEntry &entry : kernel_entries()) {
        if (!std::strcmp(entry.name, name)) return &entry;
    }
    return nullptr;
}

int kernel_exists(const char *name) { return find_kernel(name) != nullptr; }

int run_kernel(const char *name, KernelTexture *textures, const int32_t *texture_is_array, int32_t texture_count,
               KernelBuffer *buffers, int32_t buffer_count, const int32_t *grid, char *message, size_t room) {
    try {
        const KernelEntry *entry = find_kernel(name);
        require(entry != nullptr, std::string("there is no kernel ") + name);
        entry->run(Dispatch{textures, texture_is_array, texture_count, buffers, buffer_count, grid});
        return 0;
    } catch (const std::exception &error) {
        std::strncpy(message, error.what(), room - 1);
        message[room - 1] = 0;
        return 1;
    }
}
