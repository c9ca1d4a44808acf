// SPDX-License-Identifier: GPL-3.0-or-later
// After pluginval's level 9: the memory that a thread asks for and gives back, counted. Part of the program and not of
// the library: it takes the place of malloc, as a sanitizer does.
#include <errno.h>
#include <stdlib.h>

#include <atomic>

#include "check.h"

extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* memory, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void* memory);
}

namespace {

thread_local bool counting = false;
std::atomic<int> counted{0};

void count() {
    if (counting) counted.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

extern "C" {
void* malloc(size_t bytes) {
    count();
    return __libc_malloc(bytes);
}
void* calloc(size_t count_of, size_t bytes) {
    count();
    return __libc_calloc(count_of, bytes);
}
void* realloc(void* memory, size_t bytes) {
    count();
    return __libc_realloc(memory, bytes);
}
void free(void* memory) {
    if (memory != nullptr) count();
    __libc_free(memory);
}
void* memalign(size_t alignment, size_t bytes) {
    count();
    return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) {
    count();
    return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** memory, size_t alignment, size_t bytes) {
    count();
    void* made = __libc_memalign(alignment, bytes);
    if (made == nullptr) return ENOMEM;
    *memory = made;
    return 0;
}
}

namespace host {
namespace {

/// How often this thread asks for memory or gives it back in `use`.
template <class Use>
int allocations(Use use) {
    counted = 0;
    counting = true;
    use();
    counting = false;
    return counted;
}

void whileProcessing(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    // Else nothing would be found, whatever the plug-in does.
    bench.expect(allocations([&] { plug.start({}); }) > 0, "the plug-in's memory is not seen");
    for (const double rate : {44100.0, 48000.0, 96000.0})
        for (const int samples : {64, 128, 256, 512, 1024}) {
            Setup setup;
            setup.rate_hz = rate;
            setup.block_samples = samples;
            if (!bench.expect(plug.start(setup), "a set-up is refused")) continue;
            Block block(setup);
            const auto all = plug.parameters();
            for (int n = 0; n < 20; ++n) {
                block.noise(bench.seed);
                block.playhead(n > 3, n * samples);
                for (std::size_t i = 0; n % 2 == 1 && i < all.size(); ++i)
                    block.changes.add(all[i].info.id, 0, bench.unit());
                const int found = allocations([&] { plug.process(block); });
                bench.expect(found == 0, "memory is asked for or given back on the audio thread");
                bench.expect(block.notFinite() == 0 && block.subnormal() == 0, "the output");
                block.changes.clear();
                block.told.clear();
            }
        }
}

}  // namespace

std::vector<Check> allocationChecks() {
    return {{"pluginval-9/Allocations during process", whileProcessing}};
}

}  // namespace host
