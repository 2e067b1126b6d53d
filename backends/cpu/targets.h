// The instruction sets that every kernel file is compiled for, by Highway's foreach_target. Include
// this first.
//
// The kernels are plain loops over scalar functions, vectorised by the compiler once per target:
// Highway's pragmas choose the target, its table picks the version for this processor at run time.
// Baseline, AVX2 and AVX-512 keep the compile time bounded; machines in between run the baseline.
#ifndef TENON_BACKENDS_CPU_TARGETS_H_
#define TENON_BACKENDS_CPU_TARGETS_H_

#if defined(__x86_64__)
#define HWY_DISABLED_TARGETS (~(HWY_AVX2 | HWY_AVX3 | HWY_BASELINE_TARGETS))
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
