// The instruction sets that every kernel file is compiled for, by Highway's foreach_target. Include
// this first.
//
// The kernels are plain loops over scalar functions, vectorised by the compiler once per target:
// Highway's pragmas choose the target, TENON_BEST_TARGET picks the version for this processor at
// run time. Baseline, AVX2 and AVX-512 keep the compile time bounded; machines in between run the
// baseline, and so do all that are not x86.
//
// Of Highway only headers are used. Its own table asks its library for the processor, and that of
// Debian measures a timer for 7 ms when it is loaded, in every program.
#ifndef TENON_BACKENDS_CPU_TARGETS_H_
#define TENON_BACKENDS_CPU_TARGETS_H_

#include <cstdint>

#if defined(__x86_64__)
#define HWY_DISABLED_TARGETS (~(HWY_AVX2 | HWY_AVX3 | HWY_BASELINE_TARGETS))
#else
#define HWY_COMPILE_ONLY_STATIC
#endif
#include "hwy/detect_targets.h"

namespace tenon_cpu {

// In rising order: each has what is before it.
enum class Target : uint8_t { kBaseline, kAvx2, kAvx512 };
Target ProcessorTarget();          // the best that this processor has
Target ChosenTarget();             // the same, unless a test chose another
void ChooseTarget(Target target);  // before the first kernel is looked for

// The version of a function for the chosen target; those that the compiler was told to assume
// (-march) are the baseline's.
template <class F>
F* BestTarget(F* baseline, F* avx2, F* avx512) {
  const Target target = ChosenTarget();
  return target == Target::kAvx512 ? avx512 : target == Target::kAvx2 ? avx2 : baseline;
}

}  // namespace tenon_cpu

// TENON_BEST_TARGET(Find)(arguments): for a function that stands in HWY_NAMESPACE, once all targets
// are compiled (HWY_ONCE).
#define TENON_BEST_TARGET(name)                                                 \
  ::tenon_cpu::BestTarget(&HWY_STATIC_DISPATCH(name), TENON_AVX2_VERSION(name), \
                          TENON_AVX512_VERSION(name))
#if HWY_TARGETS & HWY_AVX2
#define TENON_AVX2_VERSION(name) &N_AVX2::name
#else
#define TENON_AVX2_VERSION(name) &HWY_STATIC_DISPATCH(name)
#endif
#if HWY_TARGETS & HWY_AVX3
#define TENON_AVX512_VERSION(name) &N_AVX3::name
#else
#define TENON_AVX512_VERSION(name) &HWY_STATIC_DISPATCH(name)
#endif

// An output may be exactly one of the inputs, so iteration i may touch what iteration i touches and
// nothing else: the compiler need not test for overlap.
#if defined(__clang__)
#define TENON_IVDEP _Pragma("clang loop vectorize(assume_safety)")
#else
#define TENON_IVDEP _Pragma("GCC ivdep")
#endif

#define TENON_INLINE inline __attribute__((always_inline))

#endif  // TENON_BACKENDS_CPU_TARGETS_H_
