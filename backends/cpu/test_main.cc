// The main of the kernel tests: --target=baseline, avx2 or avx512 runs them on that instruction
// set, as on a lesser machine; without it, on the best one here. A set that this processor lacks
// passes with a note.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>

#include "hwy/detect_targets.h"
#include "hwy/targets.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  int64_t wanted = 0;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--target=baseline") == 0) wanted = HWY_STATIC_TARGET;
#if defined(__x86_64__)
    if (std::strcmp(argv[i], "--target=avx2") == 0) wanted = HWY_AVX2;
    if (std::strcmp(argv[i], "--target=avx512") == 0) wanted = HWY_AVX3;
#endif
  }
  if (wanted != 0) {
    if ((hwy::SupportedTargets() & wanted) == 0) {
      std::printf("this processor has no such target\n");
      return 0;
    }
    hwy::SetSupportedTargetsForTest(wanted);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  return RUN_ALL_TESTS();
}
