#include "tenon/map/normal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "tenon/map/reference.h"

namespace tenon::map {
namespace {

// The z > 0 above which the distribution has the share p < 1/2: Newton's iteration on erfc,
// Halley's correction.
long double upper_quantile(long double p) {
  const long double root_half = std::sqrt(0.5L),
                    root_two_pi = 2.506628274631000502415765284811045253L;
  long double z = 0.25L < p ? (0.5L - p) * root_two_pi : std::sqrt(-2 * std::log(p)) - 0.3L;
  for (int i = 0; i < 50; ++i) {
    // 1/2 - erf is exact where p is near 1/2.
    const long double excess = 0.25L < p ? (0.5L - p) - 0.5L * std::erf(z * root_half)
                                         : 0.5L * std::erfc(z * root_half) - p;
    const long double step = excess * root_two_pi * std::exp(z * z / 2);
    z += step / (1 - z * step / 2);
    if (std::fabs(step) < 1e-19L * z) break;
  }
  return z;
}

Program program_for(DType bits) {
  Builder b;
  return b.finish({normal_from_bits(b.input(bits))});
}

long double draw(const Program& p, DType bits, uint64_t k) {
  return evaluate(p, std::vector<Element>{integer(bits, k)}, {}, 0, Rounding::kToDType)[0].real;
}

// k is the number of the draw among 2^n, `unused` the lower bits that do not count.
void check(DType dtype, int n, int unused, long double bound) {
  const Program p = program_for(dtype);
  std::vector<uint64_t> ks;
  std::mt19937_64 random(11);
  const uint64_t half = uint64_t{1} << (n - 1);
  const auto edge =
      static_cast<uint64_t>(std::ldexp(0.075L, n));  // where the tail's formula takes over
  for (uint64_t i = 0; i < 200; ++i) {
    ks.insert(ks.end(), {i, half - 1 - i, edge + i - 100});
  }
  for (int i = 0; i < 4000; ++i) {
    ks.push_back(random() % half);
    ks.push_back(random() % half >> random() % n);               // the tail
    ks.push_back(half - 1 - (random() % half >> random() % n));  // the centre
  }
  long double worst = 0, worst_k = 0;
  for (uint64_t k : ks) {
    const long double expected = -upper_quantile(std::ldexp(k + 0.5L, -n));
    const long double got =
        draw(p, dtype, (k << unused) | (random() & ((uint64_t{1} << unused) - 1)));
    const long double error = std::fabs(got / expected - 1);
    if (!(error <= worst)) worst = error, worst_k = k;
    EXPECT_EQ(draw(p, dtype, (2 * half - 1 - k) << unused), -got) << k;
  }
  printf("normal %s: relative error %.3Lg at k = %.0Lf, %zu instructions, least value %Lg\n",
         dtype_name(dtype).data(), worst, worst_k, p.code.size(), draw(p, dtype, 0));
  EXPECT_LE(worst, bound) << worst_k;
}

TEST(Normal, Float32From24Bits) { check(DType::uint32, 24, 8, 4e-7L); }
TEST(Normal, Float64From53Bits) { check(DType::uint64, 53, 11, 2e-15L); }

TEST(Normal, UsesOnlyExactOpcodes) {
  for (DType d : {DType::uint32, DType::uint64}) {
    const Program p = program_for(d);
    for (const TenonInstr& t : p.code) {
      switch (t.op) {
        case TENON_OP_INPUT:
        case TENON_OP_CONST:
        case TENON_OP_CAST:
        case TENON_OP_BITCAST:
        case TENON_OP_ADD:
        case TENON_OP_SUB:
        case TENON_OP_MUL:
        case TENON_OP_DIV:
        case TENON_OP_FMA:
        case TENON_OP_SQRT:
        case TENON_OP_SHL:
        case TENON_OP_SHR:
        case TENON_OP_LT:
        case TENON_OP_LE:
        case TENON_OP_SELECT:
        case TENON_OP_NEG:
        case TENON_OP_ABS:
          break;
        default:
          ADD_FAILURE() << opcode_name(t.op);
      }
    }
  }
}

// Moments of evenly spaced draws are those of the distribution.
TEST(Normal, MomentsOfEvenDraws) {
  const Program p = program_for(DType::uint32);
  long double square = 0, fourth = 0;
  const int n = 1 << 14;
  for (int i = 0; i < n; ++i) {
    const long double z = draw(p, DType::uint32, (static_cast<uint64_t>(i) << 18) + (1u << 17));
    square += z * z / n;
    fourth += z * z * z * z / n;
  }
  EXPECT_NEAR(static_cast<double>(square), 1, 1e-3);
  EXPECT_NEAR(static_cast<double>(fourth), 3, 3e-2);
}

}  // namespace
}  // namespace tenon::map
