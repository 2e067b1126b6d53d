#include "backends/cpu/targets.h"

#include <atomic>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace tenon_cpu {

#if defined(__x86_64__)

// All that Highway's pragmas let the compiler use for a target (hwy/ops/set_macros-inl.h), not only
// what names it: virtual machines hide single ones. Whether the system saves the wide registers is
// part of the compiler's answers.
Target ProcessorTarget() {
  __builtin_cpu_init();
  const auto has = [](auto... answers) { return (... && (answers != 0)); };
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  // clang 14 knows no "f16c".
  const bool f16c = __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
  if (!has(__builtin_cpu_supports("avx2"), __builtin_cpu_supports("fma"),
           __builtin_cpu_supports("bmi"), __builtin_cpu_supports("bmi2"),
           __builtin_cpu_supports("aes"), __builtin_cpu_supports("pclmul"), f16c)) {
    return Target::kBaseline;
  }
  // "cd" since Highway 1.1.
  const bool avx512 = has(__builtin_cpu_supports("avx512f"), __builtin_cpu_supports("avx512vl"),
                          __builtin_cpu_supports("avx512dq"), __builtin_cpu_supports("avx512bw"),
                          __builtin_cpu_supports("avx512cd"));
  return avx512 ? Target::kAvx512 : Target::kAvx2;
}

#else

Target ProcessorTarget() { return Target::kBaseline; }

#endif

namespace {
constexpr int kNotAsked = -1;
constinit std::atomic<int> chosen{kNotAsked};
}  // namespace

Target ChosenTarget() {
  int target = chosen.load(std::memory_order_relaxed);
  if (target == kNotAsked) {
    target = static_cast<int>(ProcessorTarget());
    // A test's choice stays.
    int before = kNotAsked;
    if (!chosen.compare_exchange_strong(before, target, std::memory_order_relaxed)) target = before;
  }
  return static_cast<Target>(target);
}

void ChooseTarget(Target target) {
  chosen.store(static_cast<int>(target), std::memory_order_relaxed);
}

}  // namespace tenon_cpu
