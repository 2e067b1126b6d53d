// The main of the kernel tests: --target=baseline or avx2 runs them on that instruction
// set, as on a lesser machine; without it, on the best one here. A set that this processor lacks
// passes with a note.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>

#include "backends/cpu/targets.h"

int main(int argc, char** argv) {
  using tenon_cpu::Target;
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    Target wanted;
    if (std::strcmp(argv[i], "--target=baseline") == 0) {
      wanted = Target::kBaseline;
    } else if (std::strcmp(argv[i], "--target=avx2") == 0) {
      wanted = Target::kAvx2;
    } else {
      continue;
    }
    if (tenon_cpu::ProcessorTarget() < wanted) {
      std::printf("this processor has no such target\n");
      return 0;
    }
    tenon_cpu::ChooseTarget(wanted);
  }
  return RUN_ALL_TESTS();
}
