// For tests of the fused entries: tensors of any layout in guarded memory, values as long double, a
// call with every check that holds for all of them.
#ifndef TENON_BACKENDS_CPU_ROWS_TESTING_H_
#define TENON_BACKENDS_CPU_ROWS_TESTING_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "backends/cpu/test_device.h"
#include "backends/cpu/test_reference.h"

namespace tenon_cpu {

using Random = std::mt19937_64;
using Sizes = std::vector<int64_t>;
using Values = std::vector<Real>;
inline constexpr uint32_t kFloats[] = {TENON_F32, TENON_F64, TENON_F16, TENON_BF16};
inline constexpr Real kInf = std::numeric_limits<Real>::infinity();

enum Layout { kDense, kShuffled, kReversed, kSpaced, kRepeatedRow, kConstantRow, kLayouts };
inline constexpr int kOutputLayouts = kSpaced + 1;

inline Real Rounding(uint32_t dtype) {  // half the distance from 1 to the next number
  return dtype == TENON_F64   ? 0x1p-53L
         : dtype == TENON_F32 ? 0x1p-24L
         : dtype == TENON_F16 ? 0x1p-11L
                              : 0x1p-8L;
}
inline Real LeastSubnormal(uint32_t dtype) {  // the least subnormal
  return dtype == TENON_F64   ? 0x1p-1074L
         : dtype == TENON_F32 ? 0x1p-149L
         : dtype == TENON_F16 ? 0x1p-24L
                              : 0x1p-133L;
}
inline uint32_t ComputeDtype(uint32_t dtype) { return dtype == TENON_F64 ? TENON_F64 : TENON_F32; }

// A tensor in memory of its own, at an odd offset, between bytes that nobody may touch.
struct Tensor {
  TenonTensor abi = {};
  std::vector<char> bytes;
  Tensor() = default;
  Tensor(uint32_t dtype, const Sizes& sizes, Layout layout, Random& random) {
    abi.dtype = dtype;
    abi.rank = static_cast<uint32_t>(sizes.size());
    std::copy(sizes.begin(), sizes.end(), abi.sizes);
    std::vector<size_t> order;
    for (size_t d = sizes.size(); d-- > 0;) order.push_back(d);
    if (layout == kShuffled) std::shuffle(order.begin(), order.end(), random);
    int64_t next = layout == kSpaced ? 3 : 1, first = 1;
    for (size_t d : order) {
      const bool last = d + 1 == sizes.size();
      if (layout == kRepeatedRow && !last) continue;
      if (layout == kConstantRow && last) continue;
      abi.strides[d] = next;
      next *= sizes[d];
      if (layout != kReversed) continue;
      first += abi.strides[d] * (sizes[d] - 1);
      abi.strides[d] = -abi.strides[d];
    }
    abi.offset = static_cast<uint64_t>(first) * tenon_dtype_size(dtype);
    bytes.assign(static_cast<size_t>(next + 2) * tenon_dtype_size(dtype), 0x5a);
  }
  const TenonTensor& Bind() {
    abi.buffer = reinterpret_cast<TenonBuffer>(bytes.data());
    return abi;
  }
  // In row-major order.
  std::vector<int64_t> Places() const {
    std::vector<int64_t> places;
    TenonPosition at = tenon_position_first(abi.rank, abi.sizes, 0xff);
    const int64_t first = static_cast<int64_t>(abi.offset / tenon_dtype_size(abi.dtype));
    do {
      places.push_back(first + tenon_position_offset(&at, abi.strides));
    } while (tenon_position_next(&at));
    return places;
  }
  void Fill(const std::function<Real(size_t)>& value) {
    size_t i = 0;
    for (int64_t place : Places())
      WriteBits(bytes.data(), abi.dtype, place, BitsOf(abi.dtype, value(i++)));
  }
  Values Read() const {
    Values values;
    for (int64_t place : Places())
      values.push_back(RealOf(abi.dtype, ReadBits(bytes.data(), abi.dtype, place)));
    return values;
  }
  // The bytes between the elements are as they were made.
  bool Intact() const {
    std::vector<char> rest = bytes;
    for (int64_t place : Places()) WriteBits(rest.data(), abi.dtype, place, 0x5a5a5a5a5a5a5a5au);
    return std::all_of(rest.begin(), rest.end(), [](char c) { return c == 0x5a; });
  }
};

inline Sizes StatisticSizes(Sizes sizes) {
  sizes.back() = 1;
  return sizes;
}

#define TENON_NEAR(got, want, bound)                                                  \
  do {                                                                                \
    const Real g_ = (got), w_ = (want), b_ = (bound);                                 \
    if (std::isnan(w_) || std::isinf(w_))                                             \
      ASSERT_TRUE(std::isnan(w_) ? std::isnan(g_) : g_ == w_) << g_ << " for " << w_; \
    else                                                                              \
      ASSERT_LE(std::fabs(g_ - w_), b_)                                               \
          << g_ << " for " << w_ << ", element " << i << " of row " << r;             \
  } while (false)

// Calls an entry dry, with one thread and with three; the outputs' bits must be the same. False if
// it answers UNSUPPORTED, which has to be without effect.
template <class Args>
bool Call(TenonStatus (*entry)(TenonDevice, TenonStream, const Args*, TenonCall*,
                               TenonError*) noexcept,
          const Args& args, std::initializer_list<Tensor*> outputs) {
  std::vector<std::vector<char>> before, one;
  for (Tensor* t : outputs) before.push_back(t->bytes);
  const auto unchanged = [&] {
    size_t k = 0;
    for (Tensor* t : outputs)
      if (t->bytes != before[k++]) return false;
    return true;
  };
  TenonError error = {sizeof error, 0, {}};
  TenonCall dry = {sizeof dry, TENON_CALL_DRY_RUN, 0, 0, 0};
  const TenonStatus status = entry(1, 0, &args, &dry, &error);
  EXPECT_TRUE(unchanged());
  EXPECT_EQ(entry(1, 0, &args, nullptr, &error), status) << error.message;
  if (status != TENON_OK) {
    EXPECT_EQ(status, TENON_UNSUPPORTED) << error.message;
    EXPECT_TRUE(unchanged());
    return false;
  }
  for (Tensor* t : outputs) {
    EXPECT_TRUE(t->Intact());
    one.push_back(t->bytes);
  }
  test_threads = 3;
  EXPECT_EQ(entry(1, 0, &args, nullptr, &error), TENON_OK);
  test_threads = 1;
  size_t k = 0;
  for (Tensor* t : outputs)
    EXPECT_EQ(std::memcmp(t->bytes.data(), one[k++].data(), t->bytes.size()), 0);
  return true;
}

inline Real Ordinary(Random& random) { return static_cast<Real>(random() % 100001) / 10000 - 5; }

}  // namespace tenon_cpu
#endif  // TENON_BACKENDS_CPU_ROWS_TESTING_H_
