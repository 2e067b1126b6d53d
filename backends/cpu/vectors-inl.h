// Vectors as wide as one register of the target. (GCC 12 keeps wider ones in memory and moves them
// by integer registers: a sum took three times as long.) Included once per target.
#include <cstdint>

#include "backends/cpu/targets.h"

#if defined(TENON_BACKENDS_CPU_VECTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TENON_BACKENDS_CPU_VECTORS_INL_H_
#undef TENON_BACKENDS_CPU_VECTORS_INL_H_
#else
#define TENON_BACKENDS_CPU_VECTORS_INL_H_
#endif

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tenon_cpu {
namespace HWY_NAMESPACE {
namespace {

#if defined(__x86_64__) && HWY_TARGET == HWY_AVX3
inline constexpr int64_t kVectorBytes = 64;
#elif defined(__x86_64__) && HWY_TARGET == HWY_AVX2
inline constexpr int64_t kVectorBytes = 32;
#else
inline constexpr int64_t kVectorBytes = 16;
#endif

template <class T>
struct Vector {
  typedef T Type __attribute__((vector_size(kVectorBytes), aligned(alignof(T)), may_alias));
  static constexpr int64_t kLanes = kVectorBytes / static_cast<int64_t>(sizeof(T));
};

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tenon_cpu
HWY_AFTER_NAMESPACE();
#endif  // toggle
