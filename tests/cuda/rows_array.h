// Tensors of rows_test in every layout, in host memory that the fake driver takes for the device's.
#ifndef TENON_TESTS_CUDA_ROWS_ARRAY_H_
#define TENON_TESTS_CUDA_ROWS_ARRAY_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "tenon/abi/tenon_kit_evaluate.h"
#include "tests/cuda/rows_reference.h"

namespace rows_testing {

using Sizes = std::vector<int64_t>;

// kGaps: the last axis reversed with every other element. kAcross: the last axis lies outermost.
// kOnce: inputs have one element for all.
enum Layout { kDense, kMisaligned, kGaps, kAcross, kOnce };

class Array {
 public:
  Array() = default;  // absent
  Array(uint32_t dtype, const Sizes& sizes, Layout layout = kDense) {
    view_.dtype = dtype;
    view_.rank = static_cast<uint32_t>(sizes.size());
    std::vector<uint32_t> order;  // from the innermost
    for (uint32_t d = view_.rank; d-- > 0;) order.push_back(d);
    if (layout == kAcross) std::rotate(order.begin(), order.begin() + 1, order.end());
    int64_t stride = layout == kGaps ? 2 : 1, first = layout == kMisaligned ? 1 : 0;
    for (const uint32_t d : order) {
      view_.sizes[d] = sizes[d];
      view_.strides[d] = layout == kOnce ? 0 : stride;
      stride *= sizes[d] + (layout == kGaps ? 1 : 0);
    }
    if (layout == kGaps) {
      int64_t& last = view_.strides[view_.rank - 1];
      first = last * (sizes.back() - 1);
      last = -last;
    }
    view_.offset = static_cast<uint64_t>(first) * item();
    bytes_.assign(static_cast<size_t>(stride + first + 8) * item(), 0xEE);
  }

  TenonTensor bound() {
    if (!bytes_.empty()) view_.buffer = reinterpret_cast<TenonBuffer>(bytes_.data());
    return view_;
  }
  TenonTensor& view() { return view_; }
  const std::vector<unsigned char>& bytes() const { return bytes_; }
  uint32_t dtype() const { return view_.dtype; }
  size_t item() const { return tenon_dtype_size(view_.dtype); }

  // Element i of row number `row`.
  unsigned char* At(int64_t row, int64_t i) {
    int64_t at = static_cast<int64_t>(view_.offset / item()) + i * view_.strides[view_.rank - 1];
    for (uint32_t d = view_.rank - 1; d-- > 0; row /= view_.sizes[d])
      at += row % view_.sizes[d] * view_.strides[d];
    return bytes_.data() + static_cast<size_t>(at) * item();
  }
  Real Get(int64_t row, int64_t i) {
    uint64_t bits = 0;
    std::memcpy(&bits, At(row, i), item());
    return tenon_bits_to_double(dtype(), bits);
  }
  void Set(int64_t row, int64_t i, double value) {
    const uint64_t bits = tenon_double_to_bits(dtype(), value);
    std::memcpy(At(row, i), &bits, item());
  }
  template <class T>
  void SetBits(int64_t row, int64_t i, T value) {
    std::memcpy(At(row, i), &value, sizeof value);
  }
  std::vector<Real> Row(int64_t row, int64_t length, Real absent = 0) {
    std::vector<Real> all(static_cast<size_t>(length), absent);
    for (int64_t i = 0; !bytes_.empty() && i < length; ++i)
      all[static_cast<size_t>(i)] = Get(row, i);
    return all;
  }
  // The bytes between and around the elements are as they were.
  void ExpectNothingElseWritten(int64_t rows, int64_t length) {
    std::vector<unsigned char> rest = bytes_;
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t i = 0; i < length; ++i)
        std::memset(rest.data() + (At(r, i) - bytes_.data()), 0xEE, item());
    }
    EXPECT_EQ(rest, std::vector<unsigned char>(rest.size(), 0xEE)) << "outside the elements";
  }

 private:
  std::vector<unsigned char> bytes_;
  TenonTensor view_ = {};
};

struct Shape {
  Sizes outer;
  int64_t length;

  int64_t rows() const {
    int64_t product = 1;
    for (const int64_t size : outer) product *= size;
    return product;
  }
  Sizes full() const { return with(length); }
  Sizes statistic() const { return with(1); }
  Sizes with(int64_t last) const {
    Sizes sizes = outer;
    sizes.push_back(last);
    return sizes;
  }
};

}  // namespace rows_testing

#endif  // TENON_TESTS_CUDA_ROWS_ARRAY_H_
