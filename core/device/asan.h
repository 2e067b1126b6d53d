// Tells AddressSanitizer which cached host memory nobody may touch, so that use after release is
// found although the memory never goes back to malloc. Nothing in other builds.
#ifndef TENON_DEVICE_ASAN_H_
#define TENON_DEVICE_ASAN_H_

#include <cstdint>

#if defined(__SANITIZE_ADDRESS__)
#define TENON_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TENON_ASAN 1
#endif
#endif

#ifdef TENON_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace tenon {

inline void asan_poison([[maybe_unused]] uint64_t address, [[maybe_unused]] uint64_t bytes) {
#ifdef TENON_ASAN
  ASAN_POISON_MEMORY_REGION(reinterpret_cast<void*>(address), bytes);
#endif
}

inline void asan_unpoison([[maybe_unused]] uint64_t address, [[maybe_unused]] uint64_t bytes) {
#ifdef TENON_ASAN
  ASAN_UNPOISON_MEMORY_REGION(reinterpret_cast<void*>(address), bytes);
#endif
}

}  // namespace tenon

#endif  // TENON_DEVICE_ASAN_H_
