// index_put_(): against loops over elements for thousands of random indices; the rules of writing
// in place; gradients to target and value, to second order.
#include <array>

#include "core/ops/index_reference.h"
#include "tenon/ops/elementwise.h"
#include "tenon/ops/index.h"
#include "tenon/ops/index_text.h"

namespace tenon {
namespace {

Tensor& put(Tensor& x, std::string_view text, const Operand& value, bool accumulate = false) {
  return index_put_(x, parse_index(text, x.device()), value, accumulate);
}
Tensor grid(const Dims& shape, DType d = DType::float64) {
  return make(d, shape, counting(element_count("grid", shape)));
}

// A shape that broadcasts to `shape`.
Counts narrower(const Counts& shape, IndexMaker& maker) {
  Counts out(shape.begin() + maker.below(static_cast<int64_t>(shape.size()) + 1), shape.end());
  for (int64_t& size : out) {
    if (maker.chance(20)) size = 1;
  }
  if (maker.chance(10))
    out.insert(out.begin(), static_cast<size_t>(shape.size() - out.size()) + 1, 1);
  return out;
}

TEST(IndexPut, AgreesWithLoopsOverElements) {
  constexpr DType kTypes[] = {DType::float64, DType::float32, DType::int64,     DType::int32,
                              DType::uint8,   DType::float16, DType::complex64, DType::bool_};
  IndexMaker maker(2);
  int refused = 0, written = 0;
  const int rounds = test_device().host_addressable() ? 4000 : 800;
  for (int round = 0; round < rounds; ++round) {
    const Counts shape = maker.shape();
    const PlainIndex plain = maker.index(shape);
    const auto want = reference_index(shape, plain);
    const DType d = kTypes[round % 8];
    const bool accumulate = d != DType::bool_ && maker.chance(30);
    Reals numbers = counting(product(shape));
    if (d == DType::bool_) std::fill(numbers.begin(), numbers.end(), 0);
    Tensor x = make_as(kLayouts[maker.below(4)], d, Dims(shape), numbers);
    const auto items = items_of(plain, DType::int64, kLayouts[maker.below(4)]);
    const Counts value_shape = want ? narrower(want->shape, maker) : Counts{};
    const Reals value_numbers = counting(product(value_shape), d == DType::bool_ ? 1 : 2);
    const Tensor value = make_as(kLayouts[maker.below(4)], maker.chance(80) ? d : DType::int16,
                                 Dims(value_shape), value_numbers);
    if (!want) {
      ++refused;
      EXPECT_THROW(index_put_(x, items, value, accumulate), Error) << "round " << round;
      ASSERT_TRUE(near(x, numbers)) << "a refused call wrote, round " << round;
      continue;
    }
    for (size_t k = 0; k < want->source.size(); ++k) {
      // The position in value that is read for the k-th element, in row-major order.
      int64_t rest = static_cast<int64_t>(k), from = 0, stride = 1;
      for (size_t a = 1; a <= want->shape.size(); ++a) {
        const int64_t size = want->shape[want->shape.size() - a], at = rest % size;
        rest /= size;
        if (a > value_shape.size()) continue;
        const int64_t own = value_shape[value_shape.size() - a];
        from += (own == 1 ? 0 : at) * stride;
        stride *= own;
      }
      Real& target = numbers[static_cast<size_t>(want->source[k])];
      const Real number = value_numbers[static_cast<size_t>(from)];
      target = accumulate ? target + number : d == DType::bool_ ? number != 0 : number;
      if (d == DType::uint8) target = static_cast<uint8_t>(target);
    }
    index_put_(x, items, value, accumulate);
    ASSERT_TRUE(near(x, numbers)) << "round " << round << ' ' << dtype_name(d)
                                  << (accumulate ? " +=" : " =");
    written += !want->source.empty();
  }
  EXPECT_GT(refused, rounds / 30);
  EXPECT_GT(written, rounds / 2);
}

TEST(IndexPut, Numbers) {
  Tensor x = grid({2, 3});
  EXPECT_TRUE(near(put(x, "[[1, 0], [2, 0]]", -1), {-1, 1, 2, 3, 4, -1}));
  EXPECT_TRUE(
      near(put(x, "[[[True, False, False], [False, True, False]]]", 0.5), {0.5, 1, 2, 3, 0.5, -1}));
  EXPECT_TRUE(near(put(x, "[[1, 1, 1]]", 2, true), {0.5, 1, 2, 9, 6.5, 5}));
  EXPECT_TRUE(near(put(x, "[:, 1]", 0), {0.5, 0, 2, 9, 0, 5}));
  EXPECT_TRUE(near(put(x, "[...]", 1, true), {1.5, 1, 3, 10, 1, 6}));
  Tensor i = grid({3}, DType::int8);
  EXPECT_TRUE(near(put(i, "[[0]]", 7.9), {7, 1, 2}));  // cast, as copy_ does
  EXPECT_TRUE(has(error_of(ErrorCode::kDType, [&] { put(i, "[[0]]", 300); }),
                  "integer 300 out of bounds for int8[3]"));
  error_of(ErrorCode::kDType, [&] { put(i, "[0]", 300); });
  error_of(ErrorCode::kDType, [&] { put(i, "[[True, False, True]]", -129); });
  error_of(ErrorCode::kDType, [&] { put(i, "[[0]]", 0.5, true); });
  error_of(ErrorCode::kDType, [&] { put(i, "[[0]]", make({1}, {1}), true); });
  Tensor b = make(DType::bool_, {2}, {1, 0});
  EXPECT_TRUE(near(put(b, "[[1]]", true), {1, 1}));
  error_of(ErrorCode::kDType, [&] { put(b, "[[1]]", true, true); });
  EXPECT_TRUE(near(i, {7, 1, 2}));
}

TEST(IndexPut, TheLastOfSeveralStays) {
  Reals positions, numbers, want(7, -1);
  for (int k = 0; k < 50000; ++k) {
    positions.push_back((k * 13) % 7 - (k % 3 == 0 ? 7 : 0));
    numbers.push_back(k);
    want[static_cast<size_t>((k * 13) % 7)] = k;
  }
  for (int round = 0; round < 3; ++round) {
    Tensor x = make({7}, Reals(7, -1));
    index_put_(x, {make(DType::int64, {50000}, positions)}, make({50000}, numbers));
    EXPECT_TRUE(near(x, want));
    Tensor y = make({7, 2}, Reals(14, -1));
    index_put_(y, {make(DType::int64, {50000}, positions), 1}, make({50000}, numbers));
    EXPECT_TRUE(near(y.at({Slice{}, 1}), want));
    EXPECT_TRUE(near(y.at({Slice{}, 0}), Reals(7, -1)));
  }
}

TEST(IndexPut, WhatIsReadMayBeWhatIsWritten) {
  Tensor i = make(DType::int64, {4}, {3, 2, 1, 0});
  index_put_(i, {i}, flip(i));
  EXPECT_TRUE(near(i, {3, 2, 1, 0}));
  Tensor j = make(DType::int64, {4}, {1, 2, 3, 0});
  index_put_(j, {j}, j);
  EXPECT_TRUE(near(j, {0, 1, 2, 3}));
  Tensor x = grid({4});
  index_put_(x, {make(DType::int64, {3}, {1, 2, 3})}, slice(x, 0, 0, 3));
  EXPECT_TRUE(near(x, {0, 0, 1, 2}));
  index_put_(x, {x > 0}, x.at({1}));
  EXPECT_TRUE(near(x, {0, 0, 0, 0}));
}

TEST(IndexPut, WritesThroughViews) {
  Tensor rows = grid({2, 3});
  index_put_(rows[1], {make(DType::int64, {2}, {0, 2})}, 9);
  EXPECT_TRUE(near(rows, {0, 1, 2, 9, 4, 9}));
  Tensor x = grid({3, 4});
  Tensor column = x.at({Slice{.step = -1}, 1});  // 9 5 1
  put(column, "[[0, 2]]", make({2}, {90, 10}));
  EXPECT_TRUE(near(x, {0, 10, 2, 3, 4, 5, 6, 7, 8, 90, 10, 11}));
  Tensor turned = x.transpose();
  put(turned, "[[0, 0, 3], [1, 1, 2]]", make({3}, {1, 2, 3}), true);
  EXPECT_TRUE(near(x, {0, 10, 2, 3, 7, 5, 6, 7, 8, 90, 10, 14}));
}

TEST(IndexPut, RefusesAndLeavesEverything) {
  Tensor x = grid({2, 3});
  std::string text = error_of(ErrorCode::kAxis, [&] { put(x, "[[0, 1], [0, 3]]", 5); });
  EXPECT_TRUE(has(text,
                  "index_put_: index 3 (position 1 of the indices) is out of bounds for axis 1 "
                  "with size 3 of float64[2, 3]"))
      << text;
  error_of(ErrorCode::kAxis, [&] { put(x, "[[0, -3]]", 5); });
  text = error_of(ErrorCode::kShape, [&] { put(x, "[[0, 1, 0]]", make({2}, {1, 2})); });
  EXPECT_TRUE(has(text,
                  "shape mismatch: value tensor of shape [2] cannot be broadcast to indexing "
                  "result of shape [3, 3]"))
      << text;
  error_of(ErrorCode::kShape, [&] { put(x, "[:1]", make({2}, {1, 2})); });
  error_of(ErrorCode::kInvalidArgument, [&] { put(x, "[[0]]", Tensor()); });
  error_of(ErrorCode::kInvalidArgument, [&] { put(x, "[[True, False]]", Tensor()); });
  error_of(ErrorCode::kDType, [&] { put(x, "[[0]]", make(DType::complex64, {1}, {1})); });
  EXPECT_TRUE(near(x, counting(6)));

  Tensor wide = broadcast_to(make({3}, {1, 2, 3}), {2, 3});
  error_of(ErrorCode::kInvalidArgument, [&] { put(wide, "[[0]]", 5); });
  EXPECT_TRUE(
      near(put(wide, "[0, [1]]", 5), {1, 5, 3, 1, 5, 3}));  // one row of it is no repetition

  Tensor w = leaf({3}, {1, 2, 3});
  text = error_of(ErrorCode::kAutograd, [&] { put(w, "[[0]]", 5); });
  EXPECT_TRUE(
      has(text, "a leaf Variable that requires grad is being used in an in-place operation"))
      << text;
  error_of(ErrorCode::kAutograd, [&] { put(w, "[[True, False, False]]", 5); });
  error_of(ErrorCode::kAutograd, [&] { put(w, "[1:, None]", 5); });
  {
    NoGradScope raw;
    put(w, "[[0]]", 5);
  }
  EXPECT_TRUE(near(w, {5, 2, 3}));
  EXPECT_TRUE(w.is_leaf() && w.requires_grad());

  std::array<float, 3> memory{1, 2, 3};
  Tensor fixed = from_memory(memory.data(), DType::float32, {3}, {1}, true, nullptr, nullptr);
  error_of(ErrorCode::kReadOnly, [&] { put(fixed, "[[0]]", 5); });
  error_of(ErrorCode::kReadOnly, [&] { put(fixed, "[[True, True, True]]", 5); });
}

TEST(IndexPut, AWriteIsNoticedByBackward) {
  for (const char* where : {"[[0]]", "[[True, False, False]]", "[0]"}) {
    const Tensor x = leaf({3}, {1, 2, 3});
    Tensor y = x * 2;
    const Tensor z = square(y);
    put(y, where, 5);
    const std::string text = error_of(ErrorCode::kAutograd, [&] { z.sum().backward(); });
    EXPECT_TRUE(has(text, "modified by an inplace operation")) << text;
  }
}

// ---- gradients
// -------------------------------------------------------------------------------------------------------

TEST(IndexPutGradient, SecondOrder) {
  const Tensor x = leaf({3, 4}, random_reals(12, -1, 1)), v = leaf({2}, random_reals(2, -1, 1, 5)),
               one = leaf({}, {0.3});
  for (const char* text :
       {"[[0, 2], 1]", "[1:, [0, 0]]", "[[2, 2], [1, 1]]", "[[0, 1], [1, 2]]",
        "[0, [False, True, False, True]]", "[1, ::2]", "[[[0, 1], [1, 1]], [0, -1]]"}) {
    for (bool accumulate : {false, true}) {
      EXPECT_GRADIENTS(
          [&](std::span<const Tensor> in) {
            Tensor y = square(in[0]);
            put(y, text, sin(in[1]), accumulate);
            return y * y;
          },
          {x, v})
          << text << accumulate;
      EXPECT_GRADIENTS(
          [&](std::span<const Tensor> in) {  // through a view, whose base is used
            Tensor y = square(in[0]);
            Tensor part = flip(y);
            put(part, text, sin(in[1]), accumulate);
            return y * part;
          },
          {x, v})
          << text << accumulate;
    }
  }
  EXPECT_GRADIENTS(
      [&](std::span<const Tensor> in) {
        Tensor y = square(in[0]);
        index_put_(y, {y.detach() > 1}, in[1]);
        return y * y;
      },
      {x, one});
  EXPECT_GRADIENTS(
      [&](std::span<const Tensor> in) {
        Tensor y = square(in[0]);
        put(y, "[[1]]", 0);
        return y * y;
      },
      {x});
  EXPECT_GRADIENTS(  // into something that had no gradient
      [&](std::span<const Tensor> in) {
        Tensor y = zeros({3, 4}, DType::float64, test_device());
        put(y, "[[0, 2], 1]", in[0]);
        return exp(y);
      },
      {v});
}

TEST(IndexPutGradient, OnlyTheLastOfSeveralGetsOne) {
  const Tensor v = leaf({4}, {1, 2, 3, 4}), x = leaf({3}, {1, 2, 3});
  Tensor y = x * 1;
  put(y, "[[1, 1, 2, 1]]", v);
  const auto g = grad({(y * make({3}, {1, 10, 100})).sum()}, {v, x});
  EXPECT_TRUE(near(g[0], {0, 0, 100, 10}));
  EXPECT_TRUE(near(g[1], {1, 0, 0}));
  // Rows: the whole of a row wins.
  const Tensor rows = leaf({3, 2}, {1, 2, 3, 4, 5, 6});
  Tensor z = zeros({2, 2}, DType::float64, test_device());
  put(z, "[[0, 1, 0]]", rows);
  EXPECT_TRUE(near(grad({(z * make({2, 2}, {1, 2, 3, 4})).sum()}, {rows})[0], {0, 0, 3, 4, 1, 2}));
}

TEST(IndexPutGradient, ComesBackInTheValuesOwnShapeAndDType) {
  const Tensor v = leaf({1}, {2}, DType::float32);
  Tensor y = zeros({3, 2}, DType::float64, test_device());
  put(y, "[[0, 2]]", v);
  const Tensor g = grad({y.sum()}, {v})[0];
  EXPECT_EQ(g.dtype(), DType::float32);
  EXPECT_TRUE(near(g, {4}));
}

TEST(IndexPutGradient, GraphsGoInAnyOrder) {
  Tensor x = leaf({3}, {1, 2, 3}), view, y;
  {
    Tensor base = x * 2;
    view = base.at({Slice{1}});
    put(view, "[[0, 1]]", x.at({Slice{0, 2}}));
    y = view * 3;
  }
  Tensor g = grad({y.sum()}, {x})[0];
  EXPECT_TRUE(near(g, {3, 3, 0}));
  y = Tensor();
  x = Tensor();
  EXPECT_TRUE(near(view, {1, 2}));
}

}  // namespace
}  // namespace tenon
