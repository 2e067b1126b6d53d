// float8_e4m3fn and float8_e5m2 are storage: they are made, converted from and to every dtype,
// copied, viewed, indexed, joined and printed; whatever computes refuses them and says how to go
// on. Values come from map::Element, which knows the formats and shares nothing with the
// conversions.
#include "tenon/map/element.h"
#include "tenon/ops/elementwise.h"
#include "tenon/ops/fuse.h"
#include "tenon/ops/index.h"
#include "tenon/ops/join.h"
#include "tenon/ops/linear_algebra.h"
#include "tenon/ops/manipulate.h"
#include "tenon/ops/matmul.h"
#include "tenon/ops/random.h"
#include "tenon/ops/reduce.h"
#include "tenon/ops/scan.h"
#include "tenon/ops/search.h"
#include "tenon/ops/softmax.h"
#include "tenon/ops/sort.h"
#include "tenon/ops/tensor_testing.h"

namespace tenon {
namespace {

constexpr DType kFloat8[] = {DType::float8_e4m3fn, DType::float8_e5m2};

// All 256 bit patterns.
Tensor all_patterns(DType d) {
  std::vector<uint8_t> bits;
  for (int i = 0; i < 256; ++i) bits.push_back(static_cast<uint8_t>(i));
  return from_host(d, Dims{16, 16}, bits.data(), test_device());
}
Reals numbers_of_all(DType d) {
  Reals out;
  for (uint64_t i = 0; i < 256; ++i) out.push_back(map::element_of(d, i).real);
  return out;
}
std::vector<uint8_t> bits_of(const Tensor& t) {
  const Tensor host = t.cpu().contiguous();
  const auto* first = static_cast<const uint8_t*>(host.raw_data());
  return {first, first + host.size()};
}
Reals rounded(DType d, const Reals& numbers) {
  Reals out;
  for (Real x : numbers) out.push_back(map::round_to(d, x));
  return out;
}

TEST(Float8, ElementsKnowTheFormats) {  // what the tests below stand on
  using map::bits_of, map::element_of, map::real, map::round_to;
  const DType a = DType::float8_e4m3fn, b = DType::float8_e5m2;
  EXPECT_EQ(element_of(a, 0x7e).real, 448);
  EXPECT_EQ(element_of(a, 0x81).real, -0x1p-9L);
  EXPECT_EQ(element_of(b, 0x7b).real, 57344);
  EXPECT_EQ(element_of(b, 0x01).real, 0x1p-16L);
  EXPECT_TRUE(std::isnan(element_of(a, 0xff).real) && std::isnan(element_of(b, 0x7d).real));
  EXPECT_EQ(element_of(b, 0xfc).real, -kInfinity);
  EXPECT_EQ(round_to(a, 464), 448);
  EXPECT_TRUE(std::isnan(round_to(a, 464.001L)) && std::isnan(round_to(a, -kInfinity)));
  EXPECT_EQ(round_to(b, 61439.9L), 57344);
  EXPECT_EQ(round_to(b, -61440), -kInfinity);
  for (const DType d : kFloat8) {
    for (uint64_t i = 0; i < 256; ++i) {
      const Real x = element_of(d, i).real;
      if (!std::isnan(x)) {
        EXPECT_EQ(bits_of(real(d, x)), i);
      }
    }
    EXPECT_TRUE(std::isnan(element_of(d, bits_of(real(d, kNan))).real));
  }
}

TEST(Float8, ToEveryDtype) {
  for (const DType d : kFloat8) {
    const Tensor x = all_patterns(d);
    const Reals numbers = numbers_of_all(d);
    for (const DType to : {DType::float16, DType::bfloat16, DType::float32, DType::float64})
      EXPECT_TRUE(near(x.to(to), numbers)) << dtype_name(to);
    EXPECT_TRUE(near(x.to(DType::complex64), numbers));
    EXPECT_TRUE(near(x.to(kFloat8[0]), rounded(kFloat8[0], numbers)));
    EXPECT_TRUE(near(x.to(kFloat8[1]), rounded(kFloat8[1], numbers)));
    Reals truth, bytes, longs;
    for (Real n : numbers) {
      truth.push_back(n != 0);
      bytes.push_back(std::isnan(n) ? 0 : std::trunc(std::fmin(std::fmax(n, 0), 255)));
      longs.push_back(std::isnan(n)   ? 0
                      : std::isinf(n) ? static_cast<Real>(n > 0 ? INT64_MAX : INT64_MIN)
                                      : std::trunc(n));
    }
    EXPECT_TRUE(near(x.to(DType::bool_), truth));
    EXPECT_TRUE(near(x.to(DType::uint8), bytes));
    EXPECT_TRUE(near(x.to(DType::int64), longs));
    EXPECT_TRUE(near(permute_dims(x, Dims{1, 0}).to(DType::float32)[3],
                     values(x.to(DType::float32).at({Slice(), 3}))));
  }
}

TEST(Float8, FromEveryDtypeRoundedOnce) {
  const Reals numbers = {0,     -0.0L, 1,        -1,       0.3L,     449,  464,     465,     -464,
                         500,   57344, 61439,    61440,    -61440,   1e30, 1.0625L, 1.1875L, 2.125L,
                         3e-3L, 1e-5L, 0x1p-10L, 0x1p-17L, -0x1p-9L, 17,   19,      240.5L};
  for (const DType d : kFloat8) {
    for (const DType from : {DType::float16, DType::bfloat16, DType::float32, DType::float64}) {
      for (const Layout layout : kLayouts) {
        const Tensor x = make_as(layout, from, {13, 2}, numbers);
        EXPECT_TRUE(near(x.to(d), rounded(d, values(x)))) << dtype_name(from);
      }
    }
    // Two roundings would make the tie of what is a little above it.
    EXPECT_TRUE(near(make({2}, {1 + 0x1p-4L + 0x1p-40L, 1 + 0x1p-3L + 0x1p-40L}).to(d),
                     d == DType::float8_e4m3fn ? Reals{1.125L, 1.125L} : Reals{1, 1.25L}));
    const Reals whole = {0, 1, 17, 100, 127};
    for (const DType from : {DType::uint8, DType::int8, DType::uint16, DType::int16, DType::uint32,
                             DType::int32, DType::uint64, DType::int64}) {
      EXPECT_TRUE(near(make(from, {5}, whole).to(d), rounded(d, whole))) << dtype_name(from);
    }
    const Reals large = {-1e18L, 70000, 16777217, -465, 449};
    EXPECT_TRUE(near(make(DType::int64, {5}, large).to(d), rounded(d, large)));
    EXPECT_TRUE(near(make(DType::bool_, {2}, {1, 0}).to(d), {1, 0}));
    EXPECT_TRUE(has(error_of(ErrorCode::kDType, [&] { make(DType::complex64, {1}, {1}).to(d); }),
                    "imaginary"));
  }
}

TEST(Float8, CopiesKeepEveryBit) {
  for (const DType d : kFloat8) {
    const Tensor x = all_patterns(d);
    const std::vector<uint8_t> bits = bits_of(x);
    EXPECT_EQ(bits_of(x.clone()), bits);
    EXPECT_EQ(bits_of(x.to(d, true)), bits);
    const Tensor turned = permute_dims(x, Dims{1, 0});
    EXPECT_EQ(bits_of(permute_dims(turned.contiguous(), Dims{1, 0})), bits);
    Tensor y = zeros(Dims{16, 16}, d, test_device());
    permute_dims(y, Dims{1, 0}).copy_(turned);
    EXPECT_EQ(bits_of(y), bits);
    EXPECT_EQ(bits_of(y.copy_(x.to(DType::float32))).size(), 256u);
    EXPECT_EQ(bits_of(flip(flip(x, {0}), {0})), bits);
    EXPECT_EQ(bits_of(reshape(x, Dims{4, 64})), bits);
    EXPECT_EQ(bits_of(x.at({Slice{3, 5}, 2})), (std::vector<uint8_t>{50, 66}));
    EXPECT_EQ(bits_of(zeros(Dims{0, 3}, d, test_device()).clone()).size(), 0u);
  }
}

TEST(Float8, FillsRangesAndNumbers) {
  for (const DType d : kFloat8) {
    EXPECT_TRUE(near(zeros(Dims{3}, d, test_device()), {0, 0, 0}));
    EXPECT_TRUE(near(ones(Dims{2}, d, test_device()), {1, 1}));
    EXPECT_TRUE(near(full(Dims{2}, 0.3, d, test_device()), rounded(d, {0.3L, 0.3L})));
    EXPECT_TRUE(near(full(Dims{2}, 1000, d, test_device()), rounded(d, {1000, 1000})));
    EXPECT_TRUE(near(full(Dims{1}, -2.5, d, test_device()), {-2.5L}));
    EXPECT_TRUE(near(arange(0.5, 2, 0.5, d, test_device()), {0.5L, 1, 1.5L}));
    EXPECT_TRUE(near(ones_like(all_patterns(d)).at({0, Slice{0, 2}}), {1, 1}));
    Tensor x = zeros(Dims{2, 2}, d, test_device());
    x.at({Slice(), 1}).fill_(3.5);
    EXPECT_TRUE(near(x, {0, 3.5L, 0, 3.5L}));
    EXPECT_EQ(x.at({0, 1}).item(), 3.5);
    EXPECT_EQ(full({}, 4, d, test_device()).item<int64_t>(), 4);
    EXPECT_EQ(
        x.text(),
        concat_text("tensor([[0.0000, 3.5000],\n        [0.0000, 3.5000]], ",
                    test_device() == Device() ? "" : "device='" + test_device().text() + "', ",
                    "dtype=", dtype_name(d), ")"));
  }
}

TEST(Float8, Indexing) {
  for (const DType d : kFloat8) {
    const Tensor x = all_patterns(d);
    const Tensor rows = make(DType::int64, {3}, {15, 0, -1});
    std::vector<uint8_t> picked;
    for (int row : {15, 0, 15}) {
      for (int k = 0; k < 16; ++k) picked.push_back(static_cast<uint8_t>(16 * row + k));
    }
    EXPECT_EQ(bits_of(take(x, rows, 0)), picked);
    EXPECT_EQ(bits_of(index(x, {rows})), picked);
    EXPECT_EQ(bits_of(index(x, {rows, rows})), (std::vector<uint8_t>{255, 0, 255}));
    EXPECT_EQ(bits_of(take_along_axis(x, make(DType::int64, {16, 1}, counting(16)), 1)),
              bits_of(index(x, {make(DType::int64, {16}, counting(16)),
                                make(DType::int64, {16}, counting(16))})));
    Reals every_third(256);
    for (size_t i = 0; i < 256; ++i) every_third[i] = i % 3 == 0;
    const Tensor mask = make(DType::bool_, {16, 16}, every_third);
    const std::vector<uint8_t> masked = bits_of(index(x, {mask}));
    ASSERT_EQ(masked.size(), 86u);
    for (size_t i = 0; i < masked.size(); ++i) EXPECT_EQ(masked[i], 3 * i);

    Tensor y = x.clone();
    index_put_(y, {mask}, 1.5);  // chosen under a mask
    index_put_(y, {make(DType::int64, {1}, {0})}, take(x, make(DType::int64, {1}, {2}), 0));
    index_put_(y, {1, Slice{0, 2}}, make({2}, {0.3L, -448}));  // converted
    const Reals numbers = numbers_of_all(d), got = values(y);
    for (size_t i = 0; i < 256; ++i) {
      const Real wanted = i < 16    ? numbers[32 + i]
                          : i == 16 ? map::round_to(d, 0.3L)
                          : i == 17 ? -448
                          : i % 3   ? numbers[i]
                                    : 1.5L;
      EXPECT_TRUE(std::isnan(wanted) ? std::isnan(got[i]) : got[i] == wanted) << i;
    }
    EXPECT_TRUE(
        has(error_of(ErrorCode::kDType, [&] { index_put_(y, {mask}, 1, true); }), "to(float32)"));
    EXPECT_TRUE(
        has(error_of(ErrorCode::kDType, [&] { index_put_(y, {rows}, take(x, rows, 0), true); }),
            "to(float32)"));
  }
}

TEST(Float8, Joining) {
  for (const DType d : kFloat8) {
    const Tensor x = all_patterns(d);
    const Tensor parts[] = {x.at({Slice{0, 5}}), x.at({Slice{5, 16}})};
    EXPECT_EQ(bits_of(concat(parts, 0)), bits_of(x));
    const Tensor two[] = {x, x};
    EXPECT_EQ(bits_of(stack(two, 0)[1]), bits_of(x));
    EXPECT_EQ(bits_of(tile(x, Dims{1, 2}).at({Slice(), Slice{16, 32}})), bits_of(x));
    EXPECT_EQ(bits_of(roll(roll(x, Dims{3}), Dims{-3})), bits_of(x));
    EXPECT_EQ(bits_of(repeat(x, 2)).size(), 512u);
    const Tensor mixed[] = {x, x.to(DType::float32)};
    EXPECT_TRUE(has(error_of(ErrorCode::kDType, [&] { concat(mixed, 0); }), "to(float32)"));
  }
}

TEST(Float8, NothingComputes) {
  for (const DType d : kFloat8) {
    const Tensor x = ones(Dims{2, 2}, d, test_device()), f = x.to(DType::float32);
    const Tensor c = make(DType::bool_, {2, 2}, {1, 0, 1, 0});
    Tensor in_place = f.clone(), own = x.clone();
    const std::pair<const char*, std::function<void()>> calls[] = {
        {"add", [&] { add(x, x); }},
        {"number", [&] { add(x, 1); }},
        {"other side", [&] { multiply(2.0, x); }},
        {"mixed", [&] { add(f, x); }},
        {"in place", [&] { add_(in_place, x); }},
        {"into it", [&] { add_(own, 1.0); }},
        {"equal", [&] { equal(x, x); }},
        {"exp", [&] { exp(x); }},
        {"isnan", [&] { isnan(x); }},
        {"logical_not", [&] { logical_not(x); }},
        {"bitwise", [&] { bitwise_and(x, x); }},
        {"where", [&] { where(c, x, x); }},
        {"as a condition", [&] { where(x, f, f); }},
        {"sum", [&] { sum(x); }},
        {"max", [&] { max(x); }},
        {"argmax", [&] { argmax(x); }},
        {"any", [&] { any(x); }},
        {"cumulative_sum", [&] { cumulative_sum(x, 0); }},
        {"matmul", [&] { matmul(x, x); }},
        {"mixed matmul", [&] { matmul(x, f); }},
        {"linear", [&] { linear(f, x); }},
        {"softmax", [&] { softmax(x, 0); }},
        {"sort", [&] { sort(x); }},
        {"searchsorted", [&] { searchsorted(reshape(x, Dims{4}), x); }},
        {"nonzero", [&] { nonzero(x); }},
        {"fused",
         [&] {
           fuse("twice", 1, 1, [](const map::Value* a, map::Value* b) { b[0] = a[0] + a[0]; })({x});
         }},
    };
    for (const auto& [what, call] : calls) {
      const std::string message = error_of(ErrorCode::kDType, call);
      EXPECT_TRUE(has(message, std::string(dtype_name(d))) || has(message, "float8")) << what;
    }
    EXPECT_EQ(error_of(ErrorCode::kDType, [&] { add(x, 1); }),
              concat_text("add: is not defined for ", describe(x),
                          " and a number: float8 is for storage: convert it with to(float32)"));
    EXPECT_TRUE(near(in_place, {1, 1, 1, 1}));
    EXPECT_TRUE(near(own, {1, 1, 1, 1}));
    error_of(ErrorCode::kDType, [&] { uniform(Dims{2}, 0, 1, d, test_device()); });
    error_of(ErrorCode::kDType, [&] { normal(Dims{2}, 0, 1, d, test_device()); });
    error_of(ErrorCode::kDType, [&] { randint(Dims{2}, 0, 3, d, test_device()); });
  }
}

TEST(Float8, NoGradients) {
  for (const DType d : kFloat8) {
    Tensor x = ones(Dims{2}, d, test_device());
    EXPECT_TRUE(
        has(error_of(ErrorCode::kDType, [&] { x.requires_grad_(); }), dtype_name(d).data()));
    const Tensor w = leaf({2}, {1, 2}, DType::float32);
    EXPECT_TRUE(has(error_of(ErrorCode::kAutograd, [&] { w.to(d); }), "detach()"));
    EXPECT_TRUE(has(error_of(ErrorCode::kAutograd, [&] { x.copy_(w); }), "detach()"));
    EXPECT_TRUE(
        has(error_of(ErrorCode::kAutograd, [&] { index_put_(x, {Slice()}, w); }), "detach()"));
    EXPECT_TRUE(near(x, {1, 1}));
    EXPECT_TRUE(near(w.detach().to(d), {1, 2}));
    {
      NoGradScope off;
      EXPECT_TRUE(near(w.to(d), {1, 2}));
    }
    // What was read from storage is a constant to the graph.
    sum(w * x.to(DType::float32)).backward();
    EXPECT_TRUE(near(w.grad(), {1, 1}));
  }
}

}  // namespace
}  // namespace tenon
