// Lines of every element size, stride and length against one byte after the other. The memory ends
// with the last element on both sides, so that asan sees whoever goes beyond.
#include "backends/cpu/strided_copy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "backends/cpu/host.h"

namespace tenon_cpu {

const TenonHost* host = nullptr;  // the back end's: lines ask nothing of it

namespace {

// The bytes that n elements span, and where the first of them is.
struct Span {
  Span(int64_t stride, int64_t item, int64_t n)
      : bytes((n - 1) * std::abs(stride) + item), first(stride < 0 ? (n - 1) * -stride : 0) {}
  int64_t bytes, first;
};

void Check(int64_t item, int64_t dst_steps, int64_t src_steps, int64_t n, std::mt19937& random) {
  const int64_t dst_stride = dst_steps * item, src_stride = src_steps * item;
  const Span to(dst_stride, item, n), from(src_stride, item, n);
  const auto src = std::make_unique<char[]>(static_cast<size_t>(from.bytes));
  const auto dst = std::make_unique<char[]>(static_cast<size_t>(to.bytes));
  for (int64_t i = 0; i < from.bytes; ++i) src[i] = static_cast<char>(random());
  std::vector<char> expected(static_cast<size_t>(to.bytes), '\x5a');
  std::copy(expected.begin(), expected.end(), dst.get());
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t b = 0; b < item; ++b)
      expected[static_cast<size_t>(to.first + i * dst_stride + b)] =
          src[from.first + i * src_stride + b];
  }
  CopyLine(dst.get() + to.first, dst_stride, src.get() + from.first, src_stride, item, n);
  ASSERT_EQ(std::vector<char>(dst.get(), dst.get() + to.bytes), expected)
      << n << " elements of " << item << " bytes, every " << src_steps << ". to every " << dst_steps
      << ". place";
}

TEST(CopyLine, EverySizeStrideAndLength) {
  std::mt19937 random(3);
  for (int64_t item : {1, 2, 4, 8, 16}) {
    for (int64_t dst_steps : {1, -1, 2, 3}) {
      for (int64_t src_steps : {1, 0, -1, 2, -2, 3}) {
        for (int64_t n = 1; n <= 70; ++n)
          ASSERT_NO_FATAL_FAILURE(Check(item, dst_steps, src_steps, n, random));
        ASSERT_NO_FATAL_FAILURE(Check(item, dst_steps, src_steps, 1000, random));
      }
    }
  }
}

}  // namespace
}  // namespace tenon_cpu
