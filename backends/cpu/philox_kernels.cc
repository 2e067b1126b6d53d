// PHILOX. The words of one block of four are the same computation, so runs of consecutive counters
// under one key, which is what an INDEX plus an offset gives, compute it once; anything else goes
// element by element.
#include "backends/cpu/kernels.h"
#include "backends/cpu/targets.h"
#include "tenon/abi/tenon_kit_philox.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/philox_kernels.cc"
#include "hwy/foreach_target.h"
// after foreach_target
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tenon_cpu {
namespace HWY_NAMESPACE {
namespace {

inline constexpr int64_t kBlocks = 32;  // computed side by side

// The four words of blocks first .. first + kBlocks, in order.
void Run(uint32_t* dst, uint64_t first, uint64_t key) {
  uint32_t c0[kBlocks], c1[kBlocks], c2[kBlocks], c3[kBlocks];
  for (int64_t i = 0; i < kBlocks; ++i) {
    c0[i] = static_cast<uint32_t>(first + static_cast<uint64_t>(i));
    c1[i] = static_cast<uint32_t>((first + static_cast<uint64_t>(i)) >> 32);
    c2[i] = 0;
    c3[i] = 0;
  }
  uint32_t key0 = static_cast<uint32_t>(key), key1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    for (int64_t i = 0; i < kBlocks; ++i) {
      const uint64_t p = uint64_t{0xD2511F53u} * c0[i];
      const uint64_t q = uint64_t{0xCD9E8D57u} * c2[i];
      const uint32_t n0 = static_cast<uint32_t>(q >> 32) ^ c1[i] ^ key0;
      const uint32_t n2 = static_cast<uint32_t>(p >> 32) ^ c3[i] ^ key1;
      c1[i] = static_cast<uint32_t>(q);
      c3[i] = static_cast<uint32_t>(p);
      c0[i] = n0;
      c2[i] = n2;
    }
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  for (int64_t i = 0; i < kBlocks; ++i) {
    dst[4 * i] = c0[i];
    dst[4 * i + 1] = c1[i];
    dst[4 * i + 2] = c2[i];
    dst[4 * i + 3] = c3[i];
  }
}

void Philox(void* dst, const void* a, const void* b, const void*, int64_t n, uint32_t splat) {
  uint32_t* d = static_cast<uint32_t*>(dst);
  const uint64_t* counter = static_cast<const uint64_t*>(a);
  const uint64_t* key = static_cast<const uint64_t*>(b);
  const int64_t step_a = (splat & kSplatA) != 0 ? 0 : 1;
  const int64_t step_b = (splat & kSplatB) != 0 ? 0 : 1;
  constexpr int64_t span = 4 * kBlocks;
  int64_t i = 0;
  while (i < n) {
    const uint64_t first = counter[i * step_a];
    const uint64_t k = key[i * step_b];
    if (step_a == 1 && n - i >= span && (first & 3) == 0) {
      uint64_t differs = 0;
      for (int64_t j = 0; j < span; ++j)
        differs |= (counter[i + j] - static_cast<uint64_t>(j)) ^ first;
      if (step_b == 1) {
        for (int64_t j = 0; j < span; ++j) differs |= key[i + j] ^ k;
      }
      // A span that wraps round 2^64 is not a run of blocks.
      if (differs == 0 && first <= ~uint64_t{0} - span) {
        Run(d + i, first >> 2, k);
        i += span;
        continue;
      }
    }
    d[i] = tenon_philox_word(first, k);
    ++i;
  }
}

}  // namespace

ArrayFn PhiloxKernel() { return &Philox; }

}  // namespace HWY_NAMESPACE
}  // namespace tenon_cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon_cpu {
ArrayFn FindPhilox() { return TENON_BEST_TARGET(PhiloxKernel)(); }
}  // namespace tenon_cpu
#endif
