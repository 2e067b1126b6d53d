// Samples: kernel descriptions that together use every opcode on every dtype, every reducer, and
// random programs and reductions. The generator of host kernels and the tests build the same list.
#ifndef TENON_TESTS_CODEGEN_SAMPLES_H_
#define TENON_TESTS_CODEGEN_SAMPLES_H_

#include <memory>
#include <string>
#include <vector>

#include "tests/abi/program_builder.h"

struct Sample {
  std::string name;
  std::unique_ptr<ProgramBuilder> program, epilogue;  // `text` points into them
  std::unique_ptr<KernelText> text;
  bool exact = true;     // the result is the same bits on every device
  bool specials = true;  // infinities and NaNs among the inputs
};

// So many random map programs and as many random reductions: more where a test has the time.
std::vector<Sample> MakeSamples(unsigned random_programs = 100);

#endif  // TENON_TESTS_CODEGEN_SAMPLES_H_
