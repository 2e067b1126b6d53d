// Sorting against std::stable_sort over numbers; NaN, ties, every dtype, axis and layout;
// gradients.
#include "tenon/ops/sort.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>

#include "core/ops/index_reference.h"
#include "tenon/ops/elementwise.h"

namespace tenon {
namespace {

TEST(Sort, EveryDTypeAxisAndLayout) {
  IndexMaker maker(5);
  for (DType d :
       {DType::bool_, DType::uint8, DType::int8, DType::int16, DType::uint32, DType::int64,
        DType::uint64, DType::float16, DType::bfloat16, DType::float32, DType::float64}) {
    for (Layout layout : kLayouts) {
      const Counts shape = {3, 5, 4};
      Reals numbers;  // with ties, so that stability shows
      for (int i = 0; i < 60; ++i)
        numbers.push_back(d == DType::bool_ ? maker.below(2) : maker.below(4));
      const Tensor x = make_as(layout, d, Dims(shape), numbers);
      for (int axis = 0; axis < 3; ++axis) {
        for (bool descending : {false, true}) {
          Reals positions(60), sorted(60);
          Counts rest = shape;
          rest[static_cast<size_t>(axis)] = 1;
          for_each_position(rest, [&](Counts at) {
            const auto flat = [&](int64_t k) {
              at[static_cast<size_t>(axis)] = k;
              return static_cast<size_t>(flat_position(shape, at));
            };
            Counts order(static_cast<size_t>(shape[static_cast<size_t>(axis)]));
            std::iota(order.begin(), order.end(), 0);
            std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
              return descending ? numbers[flat(a)] > numbers[flat(b)]
                                : numbers[flat(a)] < numbers[flat(b)];
            });
            for (size_t k = 0; k < order.size(); ++k) {
              positions[flat(static_cast<int64_t>(k))] = order[k];
              sorted[flat(static_cast<int64_t>(k))] = numbers[flat(order[k])];
            }
          });
          const Tensor got = argsort(x, axis - (descending ? 3 : 0), descending);
          ASSERT_EQ(got.dtype(), DType::int64);
          ASSERT_TRUE(near(got, positions)) << dtype_name(d) << axis << descending;
          ASSERT_TRUE(near(sort(x, axis, descending), sorted))
              << dtype_name(d) << axis << descending;
        }
      }
    }
  }
}

// The order of the elements themselves, NaN last; equal ones as they come.
template <class T>
std::vector<int64_t> stable_order(const T* x, int64_t n, bool descending) {
  const auto number = [x](int64_t i) { return static_cast<long double>(x[i]); };
  const auto before = [](long double a, long double b) { return a < b || (b != b && a == a); };
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return descending ? before(number(b), number(a)) : before(number(a), number(b));
  });
  return order;
}

// Lines below and above the length at which digits are sorted: any bits (so NaNs of all kinds,
// infinities, subnormal numbers) and zeros of both signs, then few different numbers.
template <class T>
void check_lines(DType d) {
  std::mt19937_64 random(7);
  for (int64_t n : {1, 2, 37, 511, 512, 513, 3000}) {
    for (bool few : {false, true}) {
      Tensor x = empty({2, n}, d, Device());
      T* const all = x.mutable_data<T>();
      for (int64_t i = 0; i < 2 * n; ++i) {
        uint64_t bits = random();
        if constexpr (std::is_same_v<T, bool>) bits &= 1;
        if (few) {
          all[i] = static_cast<T>(static_cast<float>(bits % 5));
          continue;
        }
        std::memcpy(static_cast<void*>(all + i), &bits, sizeof(T));
        if constexpr (!std::is_integral_v<T>) {
          if (bits % 11 == 0) all[i] = static_cast<T>(bits % 2 == 0 ? 0.0f : -0.0f);
        }
      }
      for (bool descending : {false, true}) {
        const Tensor got = argsort(x.to(test_device()), -1, descending).cpu();
        for (int64_t row = 0; row < 2; ++row) {
          const std::vector<int64_t> expected = stable_order(all + row * n, n, descending);
          for (int64_t i = 0; i < n; ++i)
            ASSERT_EQ(got.data<int64_t>()[row * n + i], expected[static_cast<size_t>(i)])
                << dtype_name(d) << ", place " << i << " of " << n << ", row " << row
                << (few ? ", few numbers" : "") << (descending ? ", descending" : "");
        }
      }
    }
  }
}

TEST(Sort, LinesOfEveryLengthAndBits) {
  check_lines<bool>(DType::bool_);
  check_lines<uint8_t>(DType::uint8);
  check_lines<int8_t>(DType::int8);
  check_lines<uint16_t>(DType::uint16);
  check_lines<int16_t>(DType::int16);
  check_lines<uint32_t>(DType::uint32);
  check_lines<int32_t>(DType::int32);
  check_lines<uint64_t>(DType::uint64);
  check_lines<int64_t>(DType::int64);
  check_lines<Half>(DType::float16);
  check_lines<BFloat16>(DType::bfloat16);
  check_lines<float>(DType::float32);
  check_lines<double>(DType::float64);
}

TEST(Sort, Corners) {
  const Tensor x = make({6}, {kNan, 1, -kInfinity, kInfinity, kNan, -1});
  EXPECT_TRUE(near(sort(x), {-kInfinity, -1, 1, kInfinity, kNan, kNan}));
  EXPECT_TRUE(near(argsort(x), {2, 5, 1, 3, 0, 4}));
  EXPECT_TRUE(near(sort(x, 0, true), {kNan, kNan, kInfinity, 1, -1, -kInfinity}));
  EXPECT_TRUE(near(argsort(make({3}, {0.0L, -0.0L, 0.0L})), {0, 1, 2}));
  EXPECT_TRUE(near(sort(make(DType::uint64, {2}, {18446744073709551615.0L, 1})),
                   {1, 18446744073709551615.0L}));
  EXPECT_EQ(shape_of(sort(make({0, 3}, {}), 0)), (Dims{0, 3}));
  EXPECT_EQ(shape_of(sort(make({3, 0}, {}), 0)), (Dims{3, 0}));
  error_of(ErrorCode::kAxis, [] { sort(make({}, {1})); });
  error_of(ErrorCode::kAxis, [&] { sort(x, 1); });
  error_of(ErrorCode::kDType, [] { sort(make(DType::complex64, {1}, {1})); });
  error_of(ErrorCode::kInvalidArgument, [] { argsort(Tensor()); });
}

TEST(Sort, Gradient) {
  EXPECT_GRADIENTS([](std::span<const Tensor> in) { return exp(sort(in[0], 0, true)) * in[0]; },
                   {leaf({4, 2}, {0.3L, -1, 2, 0.1L, -0.5L, 0.7L, 1, 0.2L})});
}

}  // namespace
}  // namespace tenon
