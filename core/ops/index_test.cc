// index(): against loops over elements written from NumPy's definition, for thousands of random
// indices; cases typed in from NumPy; messages; gradients to second order.
#include "tenon/ops/index.h"

#include "core/ops/index_reference.h"
#include "tenon/ops/elementwise.h"
#include "tenon/ops/index_text.h"

namespace tenon {
namespace {

Tensor at(const Tensor& x, std::string_view text) {
  return index(x, parse_index(text, test_device()));
}
Tensor grid(const Dims& shape, DType d = DType::float64) {
  return make(d, shape, counting(element_count("grid", shape)));
}

constexpr DType kIndexTypes[] = {DType::int64, DType::int32,  DType::int16,  DType::int8,
                                 DType::uint8, DType::uint16, DType::uint32, DType::uint64};
constexpr DType kTypes[] = {DType::float64,  DType::bool_,     DType::uint8,
                            DType::int16,    DType::int64,     DType::float16,
                            DType::bfloat16, DType::complex64, DType::complex128};

TEST(Index, AgreesWithLoopsOverElements) {
  IndexMaker maker(1);
  int refused = 0, empty = 0;
  const int rounds = test_device().host_addressable() ? 3000 : 800;
  for (int round = 0; round < rounds; ++round) {
    const Counts shape = maker.shape();
    const DType d = kTypes[round % 9], integers = kIndexTypes[round % 8];
    const PlainIndex plain = maker.index(shape, round % 8 < 4);
    const auto want = reference_index(shape, plain);
    Reals numbers = counting(product(shape));
    if (d == DType::bool_) {
      for (Real& n : numbers) n = maker.chance(50);
    }
    const Tensor x = make_as(kLayouts[maker.below(4)], d, Dims(shape), numbers);
    const auto items = items_of(plain, integers, kLayouts[maker.below(4)]);
    if (!want) {
      ++refused;
      EXPECT_THROW(index(x, items), Error) << "round " << round;
      continue;
    }
    Reals expected;
    for (int64_t from : want->source) expected.push_back(numbers[static_cast<size_t>(from)]);
    const Tensor y = index(x, items);
    ASSERT_EQ(shape_of(y), Dims(want->shape)) << "round " << round;
    ASSERT_EQ(y.dtype(), d);
    ASSERT_TRUE(near(y, expected)) << "round " << round;
    empty += expected.empty();
  }
  EXPECT_GT(refused, rounds / 30);  // the maker does make both
  EXPECT_LT(refused, rounds / 3);
  EXPECT_LT(empty, rounds / 2);
}

TEST(Index, TypedInFromNumPy) {
  const Tensor x = grid({2, 3, 4});
  const auto shape = [&](std::string_view text) { return shape_of(at(x, text)); };
  EXPECT_TRUE(near(at(x, "[1, [0, 2], 1:3]"), {13, 14, 21, 22}));
  EXPECT_TRUE(near(at(x, "[[0, 1], :, [3, -1]]"), {3, 7, 11, 15, 19, 23}));
  EXPECT_TRUE(near(at(x, "[:, [[0], [2]], [1, 3]]"), {1, 3, 9, 11, 13, 15, 21, 23}));
  EXPECT_TRUE(near(at(x, "[[True, False], [2, 0]]"), {8, 9, 10, 11, 0, 1, 2, 3}));
  EXPECT_TRUE(near(at(x,
                      "[0, [[True, False, False, True], [False, False, False, False], [True, True, "
                      "False, False]]]"),
                   {0, 3, 8, 9}));
  EXPECT_EQ(shape("[:, [0, 1], 0]"), (Dims{2, 2}));
  EXPECT_EQ(shape("[0, :, [0, 1, 2]]"), (Dims{3, 3}));  // separated by a slice: in front
  EXPECT_EQ(shape("[:, [0, 1], None, 0]"), (Dims{2, 2, 1}));
  EXPECT_EQ(shape("[[0, 1], ..., [0, 1]]"), (Dims{2, 3}));
  EXPECT_EQ(shape("[..., [[0, 1, 2]]]"), (Dims{2, 3, 1, 3}));
  EXPECT_EQ(shape("[None, True, [0, 1]]"), (Dims{1, 2, 3, 4}));
  EXPECT_EQ(shape("[False]"), (Dims{0, 2, 3, 4}));
  EXPECT_EQ(shape("[[]]"), (Dims{0, 3, 4}));
  EXPECT_EQ(shape("[[], [7]]"), (Dims{0, 4}));  // broadcast away: not looked at
}

TEST(Index, ATensorMakesACopyTheRestAView) {
  const Tensor x = grid({3, 4});
  EXPECT_TRUE(at(x, "[1:, None, ::-1]").shares_storage_with(x));
  EXPECT_TRUE(at(x, "[...]").shares_storage_with(x));
  EXPECT_FALSE(at(x, "[[0]]").shares_storage_with(x));
  EXPECT_FALSE(at(x, "[True]").shares_storage_with(x));
  const Tensor row = make(DType::int64, {}, {1});  // no dimension: one position
  EXPECT_TRUE(near(index(x, {row}), {4, 5, 6, 7}));
  EXPECT_TRUE(near(index(x, {Slice{}, row}), {1, 5, 9}));
  EXPECT_EQ(shape_of(index(x, {make(DType::bool_, {}, {1})})), (Dims{1, 3, 4}));
}

TEST(Index, OfViewsThatRepeatOrHaveManyAxes) {
  const Tensor row = broadcast_to(grid({3}), {4, 3});
  EXPECT_TRUE(near(at(row, "[[3, 0], [1, 2]]"), {1, 2}));
  EXPECT_TRUE(near(at(row, "[[3], ::-1]"), {2, 1, 0}));
  // More axes than a backend takes: merged where they can be, looped over where not.
  const Tensor deep = grid({2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 3});
  EXPECT_TRUE(near(at(deep, "[..., [2, 0]]")[1][0][1][0][1][0][1][0][1], {95, 93}));
  Dims reversed, sizes(11, 2);
  for (int64_t k = 10; k >= 0; --k) reversed.push_back(k);
  const Tensor turned = permute_dims(grid(sizes), reversed);
  const Tensor picked = at(turned, "[:, :, :, :, :, [1, 0, 1]]");
  const Counts shape(11, 2);
  const auto want =
      reference_index(shape, {{.kind = PlainItem::kSlice},
                              {.kind = PlainItem::kSlice},
                              {.kind = PlainItem::kSlice},
                              {.kind = PlainItem::kSlice},
                              {.kind = PlainItem::kSlice},
                              {.kind = PlainItem::kIntegers, .shape = {3}, .values = {1, 0, 1}}});
  Reals expected, numbers = values(turned);
  for (int64_t from : want->source) expected.push_back(numbers[static_cast<size_t>(from)]);
  EXPECT_TRUE(near(picked, expected));
  error_of(ErrorCode::kAxis, [&] { at(turned, "[:, :, :, :, :, [1, 2, 1]]"); });
}

TEST(Index, ManyPositions) {  // enough for several threads
  const int64_t rows = 300, columns = 50;
  const Tensor x = grid({rows, columns}, DType::float32);
  Reals i, j, want;
  for (int64_t k = 0; k < 40000; ++k) {
    i.push_back((k * 7919) % rows - (k % 2) * rows);
    j.push_back((k * 104729) % columns);
    want.push_back(((k * 7919) % rows) * columns + (k * 104729) % columns);
  }
  const Tensor first = make(DType::int64, {40000}, i), second = make(DType::int32, {40000}, j);
  EXPECT_TRUE(near(index(x, {first, second}), want));
  Reals kept;
  for (Real value : counting(rows * columns)) {
    if (value > 7000) kept.push_back(value);
  }
  EXPECT_TRUE(near(index(x, {x > 7000}), kept));
  EXPECT_TRUE(near(index(x.transpose(), {(x > 7000).transpose()}).sum(),
                   {kept.size() * (7001.0L + 14999) / 2}, 1e-6L));
}

TEST(Index, Messages) {
  const Tensor x = grid({2, 3, 4});
  const auto refused = [&](ErrorCode code, std::string_view text) {
    return error_of(code, [&] { at(x, text); });
  };
  // The axis and the tensor are the caller's, also behind integers and slices.
  std::string text = refused(ErrorCode::kAxis, "[0, 1:, [1, -5, 7]]");
  EXPECT_TRUE(has(text,
                  "index: index -5 (position 1 of the indices) is out of bounds for axis 2 with "
                  "size 4 of float64[2, 3, 4]"))
      << text;
  text = refused(ErrorCode::kAxis, "[None, [0, 1], :, [0, 4]]");
  EXPECT_TRUE(
      has(text, "index 4 (position 1 of the indices) is out of bounds for axis 2 with size 4"))
      << text;
  text = refused(ErrorCode::kAxis, "[[0, 1], [0, 1, 2]]");
  EXPECT_TRUE(
      has(text,
          "shape mismatch: indexing tensors could not be broadcast together with shapes [2], [3]"))
      << text;
  text = refused(ErrorCode::kAxis, "[0, [[True, False], [True, False], [True, False]]]");
  EXPECT_TRUE(has(text,
                  "index: The shape of the mask [3, 2] at index 1 does not match the shape of the "
                  "indexed tensor float64[2, 3, 4] on"))
      << text;
  EXPECT_TRUE(has(text, "at index 2 (item 1): size 2 where axis 2 has 4. A mask has")) << text;
  text = refused(ErrorCode::kAxis, "[[0], 0, 0, 0]");
  EXPECT_TRUE(has(text, "too many indices for tensor of dimension 3: 4 were given")) << text;
  text = refused(ErrorCode::kInvalidArgument, "[..., [0], ...]");
  EXPECT_TRUE(has(text, "single ellipsis")) << text;
  text = error_of(ErrorCode::kDType, [&] { index(x, {make({1}, {0})}); });
  EXPECT_TRUE(has(text, "must be integers or bool, not float64[1]")) << text;
  error_of(ErrorCode::kInvalidArgument, [&] { index(x, {Tensor()}); });
  error_of(ErrorCode::kInvalidArgument, [&] { index(Tensor(), {0}); });
  error_of(ErrorCode::kAxis,
           [&] { index(x, {make(DType::uint64, {1}, {18446744073709551615.0L})}); });
  error_of(ErrorCode::kAxis, [&] { at(make({2, 0}, {}), "[[5]]"); });
  error_of(ErrorCode::kAxis, [&] { at(make({0, 3}, {}), "[[0]]"); });
}

TEST(Index, MaskOfSizeZeroPicksNothing) {
  const Tensor x = leaf({2, 3}, counting(6));
  const auto mask = [](const Dims& shape) { return make(DType::bool_, shape, {}); };
  EXPECT_EQ(Dims(index(x, {mask({0})}).shape()), Dims({0, 3}));
  EXPECT_EQ(Dims(index(x, {mask({2, 0})}).shape()), Dims({0}));
  EXPECT_EQ(Dims(index(x, {mask({0, 3})}).shape()), Dims({0}));
  EXPECT_EQ(Dims(index(x, {Slice{}, mask({0})}).shape()), Dims({2, 0}));
  EXPECT_EQ(Dims(index(grid({0, 3}), {mask({0, 0})}).shape()), Dims({0}));
  error_of(ErrorCode::kAxis, [&] { index(x, {mask({0, 2})}); });
  Tensor y = x.clone();
  index_put_(y, {mask({2, 0})}, 7);
  index_put_(y, {mask({0})}, make({0, 3}, {}));
  index_put_(y, {mask({0})}, 7, true);
  EXPECT_TRUE(near(y, {0, 1, 2, 3, 4, 5}));
  EXPECT_TRUE(near(grad({index(x, {mask({2, 0})}).sum()}, {x})[0], {0, 0, 0, 0, 0, 0}));
}

TEST(Index, TensorsMayLieOnTheCpu) {
  const Tensor x = grid({2, 3});
  EXPECT_TRUE(near(index(x, {tensor<int64_t>({1, 0})}), {3, 4, 5, 0, 1, 2}));
  EXPECT_TRUE(near(index(x, {tensor<bool>({false, true})}), {3, 4, 5}));
  EXPECT_EQ(index(x, {tensor<int64_t>({1})}).device(), test_device());
}

TEST(MaskedSelect, Broadcasts) {
  const Tensor x = grid({2, 3});
  EXPECT_TRUE(near(masked_select(x, make(DType::bool_, {3}, {1, 0, 1})), {0, 2, 3, 5}));
  EXPECT_TRUE(near(masked_select(x, make(DType::bool_, {2, 1}, {0, 1})), {3, 4, 5}));
  EXPECT_TRUE(near(masked_select(make({}, {7}), make(DType::bool_, {2}, {1, 1})), {7, 7}));
  error_of(ErrorCode::kDType, [&] { masked_select(x, x); });
  error_of(ErrorCode::kShape, [&] { masked_select(x, make(DType::bool_, {2}, {1, 1})); });
}

// ---- gradients
// -------------------------------------------------------------------------------------------------------

TEST(IndexGradient, SecondOrder) {
  const Tensor x = leaf({2, 3, 2}, random_reals(12, -1, 1));
  for (const char* text :
       {"[[1, 0, 1]]", "[0, [2, 2, -1]]", "[[0, 1, 1], :, [1, 0, 0]]", "[:, [[0], [2]], [0, 1]]",
        "[[True, False], [1, 1]]", "[[[True, False, True], [False, True, True]]]",
        "[..., [0, 0], None]", "[True, [1]]", "[::-1, [1, 2], ::-1]", "[[]]"}) {
    EXPECT_GRADIENTS([&](std::span<const Tensor> in) { return exp(at(in[0], text)); }, {x}) << text;
    EXPECT_GRADIENTS(
        [&](std::span<const Tensor> in) {
          return exp(at(permute_dims(in[0] * 2, {1, 0, 2}), "[1:, [1, 0]]"));
        },
        {x});
  }
}

TEST(IndexGradient, NamedTwiceAddsUpAlwaysInOneOrder) {
  const Tensor x = leaf({3}, {1, 2, 3}, DType::float32);
  EXPECT_TRUE(
      near(grad({(at(x, "[[1, 1, 2, -2]]") * make(DType::float32, {4}, {1, 10, 100, 1000})).sum()},
                {x})[0],
           {0, 1011, 100}));
  Reals many, numbers = random_reals(20000, -1, 1);
  for (int i = 0; i < 20000; ++i) many.push_back((i * 31) % 5);
  const Tensor w = leaf({5}, {1, 2, 3, 4, 5}, DType::float32);
  const auto once = [&] {
    return values(grad(
        {(index(w, {make(DType::int64, {20000}, many)}) * make(DType::float32, {20000}, numbers))
             .sum()},
        {w})[0]);
  };
  const Reals first = once();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(once(), first);
}

TEST(IndexGradient, AnIndexThatWasWrittenSinceIsNoticed) {
  const Tensor x = leaf({3}, {1, 2, 3});
  Tensor i = make(DType::int64, {2}, {0, 1});
  const Tensor y = index(x, {i});
  i.fill_(2);
  const std::string text = error_of(ErrorCode::kAutograd, [&] { y.sum().backward(); });
  EXPECT_TRUE(has(text, "fill_")) << text;
}

}  // namespace
}  // namespace tenon
