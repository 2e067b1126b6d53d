// Random numbers: the published bits of Philox, the exact formulas from bits to numbers, moments,
// and that neither layout nor order of memory nor threads change a bit; dropout's mask in backward.
#include "tenon/ops/random.h"

#include "tenon/ops/elementwise.h"
#include "tenon/ops/fuse.h"
#include "tenon/ops/reduce.h"
#include "tenon/ops/tensor_testing.h"

namespace tenon {
namespace {

// Random123's known answers for philox4x32-10 (kat_vectors), counter 0 and key 0.
constexpr uint32_t kKnown[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};

// Philox4x32-10 written from the paper (Salmon et al. 2011), to judge other counters and keys.
uint32_t philox_word(uint64_t element, uint64_t key) {
  uint32_t c[4] = {static_cast<uint32_t>(element / 4), static_cast<uint32_t>(element / 4 >> 32), 0,
                   0};
  uint32_t k[2] = {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)};
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * c[0], b = uint64_t{0xCD9E8D57} * c[2];
    const uint32_t next[4] = {
        static_cast<uint32_t>(b >> 32) ^ c[1] ^ k[0], static_cast<uint32_t>(b),
        static_cast<uint32_t>(a >> 32) ^ c[3] ^ k[1], static_cast<uint32_t>(a)};
    std::copy(next, next + 4, c);
    k[0] += 0x9E3779B9;
    k[1] += 0xBB67AE85;
  }
  return c[element % 4];
}

Tensor draw(const Dims& shape, Generator& g, DType d = DType::float32) {
  return uniform(shape, 0, 1, d, test_device(), g);
}

TEST(Philox, KnownAnswers) {
  for (uint64_t i = 0; i < 4; ++i) EXPECT_EQ(philox_word(i, 0), kKnown[i]);
  Generator g(0);
  // 24 bits: the upper ones of a word, over 2^24.
  Reals want;
  for (uint32_t word : kKnown) want.push_back(static_cast<Real>(word >> 8) / 0x1p24L);
  EXPECT_EQ(values(draw({4}, g)), want);
}

TEST(Uniform, ExactFormula) {
  for (uint64_t seed : {uint64_t{0}, uint64_t{1}, uint64_t{0xDEADBEEFCAFEF00D}}) {
    Generator g(seed);
    g.set_offset(0x3FFFFFFFFFull);  // past 32 bits of blocks
    const uint64_t at = g.offset();
    Reals narrow, wide;
    for (uint64_t i = 0; i < 37; ++i)
      narrow.push_back(static_cast<Real>(philox_word(at + i, seed) >> 8) / 0x1p24L);
    EXPECT_EQ(values(draw({37}, g)), narrow);
    EXPECT_EQ(g.offset(), at + 37);
    for (uint64_t i = 0; i < 5; ++i) {
      const uint64_t first = at + 37 + 2 * i;
      const uint64_t bits =
          static_cast<uint64_t>(philox_word(first, seed)) << 32 | philox_word(first + 1, seed);
      wide.push_back(static_cast<Real>(bits >> 11) / 0x1p53L);
    }
    EXPECT_EQ(values(draw({5}, g, DType::float64)), wide);
    EXPECT_EQ(g.offset(), at + 37 + 10);
  }
}

TEST(Uniform, BoundsAndMoments) {
  Generator g(3);
  for (DType d : {DType::float16, DType::bfloat16, DType::float32, DType::float64}) {
    SCOPED_TRACE(dtype_name(d));
    const Tensor x = uniform({200000}, -1, 3, d, test_device(), g);
    const Reals v = values(x);
    EXPECT_GE(*std::min_element(v.begin(), v.end()), -1);
    EXPECT_LT(*std::max_element(v.begin(), v.end()),
              3);  // never reached, though a float16 rounds far
    Real mean = 0, square = 0;
    for (Real u : v) mean += u / 200000;
    for (Real u : v) square += (u - mean) * (u - mean) / 200000;
    EXPECT_NEAR(static_cast<double>(mean), 1, 0.015);
    EXPECT_NEAR(static_cast<double>(square), 16 / 12.0, 0.015);
  }
  EXPECT_TRUE(near(uniform({3}, 2, 2, DType::float32, test_device(), g), {2, 2, 2}));
  EXPECT_EQ(shape_of(uniform({0, 2}, 0, 1, DType::float32, test_device(), g)), (Dims{0, 2}));
  error_of(ErrorCode::kDType, [] { uniform({2}, 0, 1, DType::int32); });
  error_of(ErrorCode::kInvalidArgument, [] { uniform({2}, 1, 0); });
}

// Element i is the i-th of the draw: shapes, split draws and offsets agree.
TEST(Generator, ElementsDoNotDependOnShape) {
  Generator a(9), b(9), c(9);
  const Reals flat = values(draw({60}, a));
  EXPECT_EQ(values(draw({3, 4, 5}, b)), flat);
  Reals parts = values(draw({17}, c));
  const Reals rest = values(draw({43}, c));
  parts.insert(parts.end(), rest.begin(), rest.end());
  EXPECT_EQ(parts, flat);
  b.reseed(9);
  EXPECT_EQ(b.offset(), 0u);
  EXPECT_EQ(values(draw({60}, b)), flat);
  b.set_offset(10);
  EXPECT_EQ(values(draw({1}, b))[0], flat[10]);
  EXPECT_NE(values(draw({60}, b)), flat);
  manual_seed(9);
  EXPECT_EQ(values(uniform({60}, 0, 1, DType::float32, test_device())), flat);
  // Long enough to be split among threads.
  Generator d(9);
  const Reals many = values(draw({100003}, d));
  for (uint64_t i :
       {uint64_t{0}, uint64_t{4097}, uint64_t{65535}, uint64_t{99999}, uint64_t{100002}}) {
    EXPECT_EQ(many[i], static_cast<Real>(philox_word(i, 9) >> 8) / 0x1p24L) << i;
  }
}

TEST(Normal, QuantileOfTheBits) {
  Generator g(5);
  const Reals v = values(normal({2000}, 0, 1, DType::float64, test_device(), g));
  for (uint64_t i = 0; i < v.size(); ++i) {
    const uint64_t bits =
        static_cast<uint64_t>(philox_word(2 * i, 5)) << 32 | philox_word(2 * i + 1, 5);
    const Real u = (static_cast<Real>(bits >> 11) + 0.5L) / 0x1p53L;
    // The distribution function of the result is u: Phi(z) = erfc(-z / sqrt 2) / 2.
    const Real slope = std::exp(-v[i] * v[i] / 2) / std::sqrt(2 * std::acos(-1.0L));
    EXPECT_NEAR(static_cast<double>((std::erfc(-v[i] / std::sqrt(2.0L)) / 2 - u) / slope), 0,
                4e-15 * std::max(1.0, std::abs(static_cast<double>(v[i]))));
  }
  Generator h(5), k(5);
  const Reals scaled = values(normal({50}, 10, 3, DType::float64, test_device(), h));
  for (size_t i = 0; i < 50; ++i)
    EXPECT_NEAR(static_cast<double>(scaled[i]), static_cast<double>(10 + 3 * v[i]), 1e-14 * 30);
  for (DType d : {DType::float16, DType::bfloat16, DType::float32}) {
    const Reals x = values(normal({100000}, 1, 2, d, test_device(), k));
    Real mean = 0, square = 0, cube = 0;
    for (Real u : x) mean += u / 100000;
    for (Real u : x) square += (u - mean) * (u - mean) / 100000;
    for (Real u : x) cube += (u - mean) * (u - mean) * (u - mean) / 100000;
    EXPECT_NEAR(static_cast<double>(mean), 1, 0.03);
    EXPECT_NEAR(static_cast<double>(square), 4, 0.1);
    EXPECT_NEAR(static_cast<double>(cube), 0, 0.4);
  }
  error_of(ErrorCode::kInvalidArgument, [] { normal({2}, 0, -1); });
}

TEST(Randint, ExactFormulaAndBounds) {
  Generator g(11);
  Reals want;
  for (uint64_t i = 0; i < 100; ++i) {
    const uint64_t bits =
        static_cast<uint64_t>(philox_word(2 * i, 11)) << 32 | philox_word(2 * i + 1, 11);
    want.push_back(static_cast<Real>(
        -5 + static_cast<int64_t>(static_cast<unsigned __int128>(bits) * 12 >> 64)));
  }
  EXPECT_EQ(values(randint({100}, -5, 7, DType::int64, test_device(), g)), want);
  g.reseed(11);
  EXPECT_EQ(values(randint({10, 10}, -5, 7, DType::int8, test_device(), g)), want);
  std::vector<int> seen(6);
  for (Real v : values(randint({6000}, 0, 6, DType::uint8, test_device(), g)))
    ++seen[static_cast<size_t>(v)];
  for (int count : seen) EXPECT_NEAR(count, 1000, 150);
  const Reals full = values(randint({100}, INT64_MIN, INT64_MAX, DType::int64, test_device(), g));
  EXPECT_LT(*std::min_element(full.begin(), full.end()), 0);
  EXPECT_GT(*std::max_element(full.begin(), full.end()), 0);
  error_of(ErrorCode::kInvalidArgument, [] { randint({2}, 3, 3); });
  error_of(ErrorCode::kDType, [] { randint({2}, 0, 3, DType::float32); });
}

TEST(Randperm, IsAPermutation) {
  Generator g(1), h(1);
  const Reals order = values(randperm(1000, test_device(), g));
  EXPECT_EQ(order, values(randperm(1000, test_device(), h)));
  EXPECT_NE(order, counting(1000));
  EXPECT_NE(order, values(randperm(1000, test_device(), g)));
  Reals sorted = order;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(sorted, counting(1000));
  EXPECT_EQ(randperm(0, test_device(), g).size(), 0);
  error_of(ErrorCode::kInvalidArgument, [] { randperm(-1); });
}

TEST(Dropout, KeepsTheRightShareAndScales) {
  for (DType d : {DType::float16, DType::float32, DType::float64}) {
    for (Layout layout : {Layout::kContiguous, Layout::kTransposed, Layout::kReversed}) {
      Generator g(2);
      const Tensor x = make_as(layout, d, {100, 80}, Reals(8000, 3));
      const Reals y = values(dropout(x, 0.25, g));
      // The same elements whatever the layout or dtype: those whose number is below p.
      for (uint64_t i = 0; i < 8000; ++i) {
        const bool kept = static_cast<double>(philox_word(i, 2) >> 8) / 0x1p24 >= 0.25;
        ASSERT_NEAR(static_cast<double>(y[i]), kept ? 4 : 0,
                    4 * static_cast<double>(epsilon_of(d) + epsilon_of(DType::float32)))
            << i;
      }
      EXPECT_EQ(g.offset(), 8000u);
    }
  }
  Generator g(2);
  const Tensor x = make({3}, {1, 2, 3});
  EXPECT_EQ(dropout(x, 0, g).impl(), x.impl());
  EXPECT_TRUE(near(dropout(x, 1, g), {0, 0, 0}));
  EXPECT_TRUE(has(error_of(ErrorCode::kInvalidArgument, [&] { dropout(x, 1.5, g); }), "1.5"));
  error_of(ErrorCode::kInvalidArgument, [&] { dropout(x, -0.1, g); });
}

TEST(Dropout, BackwardRecomputesTheMask) {
  for (Layout layout : kLayouts) {
    Generator g(7);
    g.reserve(123);
    const Tensor base = leaf({30, 20}, random_reals(600, 1, 2));
    const Tensor x = layout == Layout::kContiguous   ? base
                     : layout == Layout::kTransposed ? base.transpose()
                     : layout == Layout::kReversed   ? flip(base)
                                                     : slice(base, 1, 1, kUnset, 2);
    const Tensor y = dropout(x, 0.4, g);
    draw({5}, g);  // what the generator does later changes nothing
    const Tensor weights =
        make_as(Layout::kTransposed, DType::float64, shape_of(y), random_reals(y.size(), 1, 2, 4));
    const Tensor dx = [&] {
      const Tensor roots[] = {y}, leaves[] = {x}, seeds[] = {weights};
      return grad(roots, leaves, seeds)[0];
    }();
    const Reals in = values(x), out = values(y), w = values(weights), d = values(dx);
    for (size_t i = 0; i < in.size(); ++i) {
      ASSERT_EQ(out[i] == 0, d[i] == 0) << i;
      ASSERT_NEAR(static_cast<double>(d[i]), static_cast<double>(out[i] / in[i] * w[i]), 1e-14)
          << i;
    }
  }
  // Dropping everything has gradient 0, not 0 * inf.
  Generator g(7);
  const Tensor x = leaf({2}, {1, 2});
  EXPECT_TRUE(near(grad({dropout(x, 1, g).sum()}, {x})[0], {0, 0}));
}

TEST(Dropout, GradientsToSecondOrder) {
  const std::vector<Tensor> x = {leaf({4, 3}, random_reals(12, -1, 1))};
  EXPECT_GRADIENTS(
      [](std::span<const Tensor> in) {
        Generator g(13);  // the same mask at every evaluation
        return exp(dropout(in[0], 0.5, g));
      },
      x);
}

}  // namespace
}  // namespace tenon
