// Stores past the caches, for results too large to be found there again. An ordinary store first
// reads the line that it is about to overwrite: a third of an elementwise operation's traffic.
#ifndef TENON_BACKENDS_CPU_STREAM_STORE_H_
#define TENON_BACKENDS_CPU_STREAM_STORE_H_

#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace tenon_cpu {

inline constexpr int64_t kStreamBytes = 24 << 20;  // results from this size on

// `bytes` to an address that is a multiple of 64; a rest of less than a line is stored ordinarily.
inline void StreamStore(char* to, const char* from, int64_t bytes) {
  int64_t i = 0;
#if defined(__SSE2__)
  for (; i + 64 <= bytes; i += 64) {
    for (int k = 0; k < 64; k += 16) {
      _mm_stream_si128(reinterpret_cast<__m128i*>(to + i + k),
                       _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i + k)));
    }
  }
#endif
  std::memcpy(to + i, from + i, static_cast<size_t>(bytes - i));
}

// Before another thread is told that the results are there.
inline void StreamFence() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

}  // namespace tenon_cpu
#endif  // TENON_BACKENDS_CPU_STREAM_STORE_H_
