// Cases: launches of the samples over layouts that between them need every kind of variant. What a
// case is depends on its numbers alone, so that the generator of host kernels and the tests that
// run them see the same launches.
#ifndef TENON_TESTS_CODEGEN_CASES_H_
#define TENON_TESTS_CODEGEN_CASES_H_

#include <cstdint>
#include <random>
#include <vector>

#include "tenon/backends/codegen/emit.h"
#include "tests/codegen/samples.h"

struct Layout {
  std::vector<int64_t> sizes;
  uint32_t reduce_axes = 0;
  // kDense: contiguous; kRows: contiguous, some inputs repeated along an axis; kAwkward: axes
  // reversed, gaps, inputs repeated.
  enum Kind { kDense, kRows, kAwkward } kind = kDense;
  int64_t first = 0;  // elements before the operands: what they are aligned to
};

// Two for each sample, in turn: all of them meet every kind of program.
std::vector<Layout> LayoutsOf(const Sample& sample, size_t number);

// A launch and its arrays; buffers are 0, `elements` says how much each operand needs.
class LaunchCase {
 public:
  LaunchCase(const tenon_codegen::KernelInfo& info, const Layout& layout, unsigned seed);
  LaunchCase(const LaunchCase&) = delete;
  LaunchCase& operator=(const LaunchCase&) = delete;

  TenonLaunch launch = {};
  std::vector<TenonOperand> operands;
  std::vector<uint64_t> scalars;
  std::vector<size_t> elements;

 private:
  void AddOperand(std::minstd_rand& random, uint32_t dtype, bool input, const Layout& layout);
};

using Bytes = std::vector<unsigned char>;

// Small numbers, every bit pattern, and the corners.
Bytes RandomElements(std::minstd_rand& random, uint32_t dtype, size_t count, bool specials);

// Equal bits (NaN equals NaN); where the sample is not `exact`, nearly.
bool Agree(uint32_t dtype, uint64_t a, uint64_t b, bool exact);

#endif  // TENON_TESTS_CODEGEN_CASES_H_
