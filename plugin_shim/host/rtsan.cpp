// SPDX-License-Identifier: GPL-3.0-or-later
// The plug-in's own code on the audio thread under RealtimeSanitizer: an allocation, a lock or a call that may block
// ends the program with a stack. The release binary is not changed: what it calls in libc goes through this program.
//
//     liveband_vst3_rtsan BUNDLE BLOCKS [band|alone] [malloc]     with `malloc` this program allocates on purpose
//
// JUCE's wrapper holds a lock of its own around the plug-in's processBlock: what is within that lock is watched.
#include <dlfcn.h>
#include <pthread.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>

#include "proof.h"

extern "C" {
void __rtsan_init();
void __rtsan_realtime_enter();
void __rtsan_realtime_exit();
int __interceptor_pthread_mutex_lock(pthread_mutex_t* mutex);
int __interceptor_pthread_mutex_unlock(pthread_mutex_t* mutex);
}

namespace {

thread_local bool learning = false, watching = false;
thread_local int depth = 0;
bool on_purpose = false;
pthread_mutex_t* learnt[8] = {};
int learnt_count = 0;
long watched = 0;

bool isOurs(pthread_mutex_t* mutex) {
    return watching && learnt_count == 1 && mutex == learnt[0];
}

}  // namespace

extern "C" int pthread_mutex_lock(pthread_mutex_t* mutex) {
    if (learning) {
        bool known = false;
        for (int i = 0; i < learnt_count; ++i) known = known || learnt[i] == mutex;
        if (!known && learnt_count < 8) learnt[learnt_count++] = mutex;
    }
    const int result = __interceptor_pthread_mutex_lock(mutex);
    if (isOurs(mutex) && depth++ == 0) {
        ++watched;
        __rtsan_realtime_enter();
        if (on_purpose) {
            void* volatile memory = std::malloc(100);  // volatile: else the compiler leaves both out
            std::free(memory);
        }
    }
    return result;
}

extern "C" int pthread_mutex_unlock(pthread_mutex_t* mutex) {
    if (isOurs(mutex) && --depth == 0) __rtsan_realtime_exit();
    return __interceptor_pthread_mutex_unlock(mutex);
}

int main(int count, char** arguments) {
    if (count < 3) return 2;
    __rtsan_init();
    host::Blocks blocks;
    blocks.count = std::atoi(arguments[2]);
    blocks.wait_for_band = count > 3 && std::strcmp(arguments[3], "band") == 0;
    blocks.paced = blocks.wait_for_band;
    on_purpose = count > 4;
    host::Around around;
    around.learn = [](bool on) { learning = on; };
    around.before = [] { watching = true; };
    around.after = [] { watching = false; };
    try {
        host::Module module(arguments[1]);
        host::watch(module, blocks, around);
    } catch (const host::Unusable& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    // Each block must have been watched: else JUCE's lock was not the one.
    std::printf("{\"locks\": %d, \"watched\": %ld}\n", learnt_count, watched);
    return learnt_count == 1 && watched >= blocks.count ? 0 : 3;
}
