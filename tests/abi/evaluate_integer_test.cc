// Proves the kit's meaning of every opcode on integers and bools against __int128, which shares no
// code with it: all pairs of 8-bit numbers, corners and random numbers of the others. Philox
// against published vectors.
#include <cstdint>
#include <limits>
#include <random>
#include <set>
#include <type_traits>
#include <vector>

#include "gtest/gtest.h"
#include "tests/abi/one_instruction.h"

namespace {

// ---- integers
// ------------------------------------------------------------------------------------

using Wide = __int128;

template <class T>
void CheckIntegers(T a, T b) {
  const Wide x = a, y = b;
  const int width = 8 * static_cast<int>(sizeof(T));
  const auto check = [&](uint16_t op, Wide expected) {
    const T got = Value<T>(Evaluate(op, kDtype<T>, kDtype<T>, Bits(a), Bits(b)));
    EXPECT_EQ(got, static_cast<T>(expected))
        << tenon_opcode_name(op) << " of " << +a << " and " << +b;
  };
  check(TENON_OP_ADD, x + y);
  check(TENON_OP_SUB, x - y);
  check(TENON_OP_MUL,
        static_cast<Wide>(static_cast<unsigned __int128>(x) * static_cast<unsigned __int128>(y)));
  check(TENON_OP_DIV, y == 0 ? 0 : x / y);
  check(TENON_OP_REM, y == 0 ? 0 : x % y);
  check(TENON_OP_MIN, x < y ? x : y);
  check(TENON_OP_MAX, x > y ? x : y);
  check(TENON_OP_NEG, -x);
  check(TENON_OP_ABS, x < 0 ? -x : x);
  check(TENON_OP_SIGN, (x > 0) - (x < 0));
  check(TENON_OP_AND, x & y);
  check(TENON_OP_OR, x | y);
  check(TENON_OP_XOR, x ^ y);
  check(TENON_OP_NOT, -1 - x);
  const bool out = y < 0 || y >= width;
  check(TENON_OP_SHL,
        out ? 0 : static_cast<Wide>(static_cast<unsigned __int128>(x) << static_cast<int>(y)));
  check(TENON_OP_SHR, out ? (x < 0 ? -1 : 0) : x >> static_cast<int>(y));
  const auto compare = [&](uint16_t op, bool expected) {
    EXPECT_EQ(Evaluate(op, kDtype<T>, TENON_BOOL, Bits(a), Bits(b)), expected ? 1u : 0u)
        << tenon_opcode_name(op) << +a << " " << +b;
  };
  compare(TENON_OP_EQ, x == y);
  compare(TENON_OP_NE, x != y);
  compare(TENON_OP_LT, x < y);
  compare(TENON_OP_LE, x <= y);
}

template <class T>
std::vector<T> Interesting() {
  using L = std::numeric_limits<T>;
  std::vector<T> values = {0,
                           1,
                           2,
                           3,
                           7,
                           31,
                           63,
                           64,
                           100,
                           L::max(),
                           T(L::max() - 1),
                           L::min(),
                           T(L::min() + 1),
                           T(-1),
                           T(-2),
                           T(-7),
                           T(-64)};
  std::mt19937_64 random(3);
  for (int i = 0; i < 30; ++i) values.push_back(static_cast<T>(random() >> (random() % 64)));
  return values;
}

template <class T>
class Integers : public testing::Test {};
using IntegerTypes =
    testing::Types<uint8_t, int8_t, uint16_t, int16_t, uint32_t, int32_t, uint64_t, int64_t>;
TYPED_TEST_SUITE(Integers, IntegerTypes);

TYPED_TEST(Integers, ArithmeticWrapsAndNeverTraps) {
  for (const TypeParam a : Interesting<TypeParam>()) {
    for (const TypeParam b : Interesting<TypeParam>()) CheckIntegers(a, b);
  }
  if (sizeof(TypeParam) == 1) {
    for (int a = 0; a < 256; ++a) {
      for (int b = 0; b < 256; ++b)
        CheckIntegers(static_cast<TypeParam>(a), static_cast<TypeParam>(b));
    }
  }
}

TYPED_TEST(Integers, PowIsRepeatedMultiplication) {
  for (const TypeParam a : Interesting<TypeParam>()) {
    TypeParam expected = 1;
    for (int n = 0; n < 70; ++n) {
      EXPECT_EQ(Value<TypeParam>(Evaluate(TENON_OP_POW, kDtype<TypeParam>, kDtype<TypeParam>,
                                          Bits(a), Bits(static_cast<TypeParam>(n)))),
                expected)
          << +a << " to the " << n;
      expected = static_cast<TypeParam>(static_cast<uint64_t>(expected) * static_cast<uint64_t>(a));
    }
    if (!std::is_signed_v<TypeParam>) continue;
    for (const int n : {-1, -2, -3, -128}) {
      const int64_t wide = static_cast<int64_t>(a);
      const int64_t inverse = wide == 1 ? 1 : wide == -1 ? (n % 2 == 0 ? 1 : -1) : 0;
      EXPECT_EQ(Value<TypeParam>(Evaluate(TENON_OP_POW, kDtype<TypeParam>, kDtype<TypeParam>,
                                          Bits(a), Bits(static_cast<TypeParam>(n)))),
                static_cast<TypeParam>(inverse))
          << +a << " to the " << n;
    }
  }
}

TYPED_TEST(Integers, CastsWrapAndRoundToNearestEven) {
  for (const TypeParam a : Interesting<TypeParam>()) {
    const uint64_t x = Bits(a);
    const auto cast = [&](uint32_t to) {
      return Evaluate(TENON_OP_CAST, kDtype<TypeParam>, to, x);
    };
    EXPECT_EQ(Value<int8_t>(cast(TENON_I8)), static_cast<int8_t>(a));
    EXPECT_EQ(Value<uint16_t>(cast(TENON_U16)), static_cast<uint16_t>(a));
    EXPECT_EQ(Value<int32_t>(cast(TENON_I32)), static_cast<int32_t>(a));
    EXPECT_EQ(Value<int64_t>(cast(TENON_I64)), static_cast<int64_t>(a));
    EXPECT_EQ(Value<uint64_t>(cast(TENON_U64)), static_cast<uint64_t>(a));
    EXPECT_EQ(Value<float>(cast(TENON_F32)), static_cast<float>(a));
    EXPECT_EQ(Value<double>(cast(TENON_F64)), static_cast<double>(a));
    EXPECT_EQ(cast(TENON_BOOL), a != 0 ? 1u : 0u);
    EXPECT_EQ(cast(TENON_F16), tenon_f64_to_f16(static_cast<double>(a)))
        << "beyond 2^16 both are infinite";
  }
}

TEST(Evaluate, MulhiIsTheHighHalf) {
  for (const uint64_t a : Interesting<uint64_t>()) {
    for (const uint64_t b : Interesting<uint64_t>()) {
      EXPECT_EQ(Evaluate(TENON_OP_MULHI, TENON_U64, TENON_U64, a, b),
                static_cast<uint64_t>(static_cast<unsigned __int128>(a) * b >> 64));
      const uint32_t a32 = static_cast<uint32_t>(a), b32 = static_cast<uint32_t>(b);
      EXPECT_EQ(Evaluate(TENON_OP_MULHI, TENON_U32, TENON_U32, a32, b32),
                static_cast<uint64_t>(a32) * b32 >> 32);
    }
  }
}

TEST(Evaluate, Bool) {
  for (uint64_t a = 0; a < 2; ++a) {
    EXPECT_EQ(Evaluate(TENON_OP_NOT, TENON_BOOL, TENON_BOOL, a), 1 - a);
    EXPECT_EQ(Evaluate(TENON_OP_SELECT, TENON_F32, TENON_F32, a, 11, 22), a ? 11u : 22u);
    for (uint64_t b = 0; b < 2; ++b) {
      EXPECT_EQ(Evaluate(TENON_OP_AND, TENON_BOOL, TENON_BOOL, a, b), a & b);
      EXPECT_EQ(Evaluate(TENON_OP_OR, TENON_BOOL, TENON_BOOL, a, b), a | b);
      EXPECT_EQ(Evaluate(TENON_OP_XOR, TENON_BOOL, TENON_BOOL, a, b), a ^ b);
      EXPECT_EQ(Evaluate(TENON_OP_MIN, TENON_BOOL, TENON_BOOL, a, b), a & b);
      EXPECT_EQ(Evaluate(TENON_OP_MAX, TENON_BOOL, TENON_BOOL, a, b), a | b);
      EXPECT_EQ(Evaluate(TENON_OP_LT, TENON_BOOL, TENON_BOOL, a, b), (a < b) ? 1u : 0u);
    }
  }
}

TEST(Evaluate, PhiloxKnownAnswers) {  // Random123's kat_vectors, philox4x32 10
  uint32_t zero[4] = {0, 0, 0, 0};
  tenon_philox4x32_10(zero, 0, 0);
  const uint32_t expected0[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  uint32_t ones[4] = {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff};
  tenon_philox4x32_10(ones, 0xffffffff, 0xffffffff);
  const uint32_t expected1[4] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
  uint32_t pi[4] = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344};
  tenon_philox4x32_10(pi, 0xa4093822, 0x299f31d0);
  const uint32_t expected2[4] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
  for (uint64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(zero[i], expected0[i]);
    EXPECT_EQ(ones[i], expected1[i]);
    EXPECT_EQ(pi[i], expected2[i]);
    EXPECT_EQ(Evaluate(TENON_OP_PHILOX, TENON_U64, TENON_U32, i, 0), expected0[i]);
  }
  // The block number is spread over two words, the key likewise.
  const uint64_t block = 0x123456789abcdefu, key = 0xfedcba9876543210u;
  uint32_t words[4] = {0x89abcdefu, 0x01234567u, 0, 0};
  tenon_philox4x32_10(words, 0x76543210u, 0xfedcba98u);
  EXPECT_EQ(Evaluate(TENON_OP_PHILOX, TENON_U64, TENON_U32, block * 4 + 3, key), words[3]);
}

TEST(Opcodes, TheListIsWhole) {
  std::set<uint32_t> numbers;
#define TENON_TEST_INSERT(NAME, number, operands, kind) numbers.insert(number);
  TENON_OPCODES(TENON_TEST_INSERT)
#undef TENON_TEST_INSERT
  EXPECT_EQ(numbers.size(), 64u);
  EXPECT_EQ(*numbers.rbegin() + 1, static_cast<uint32_t>(TENON_OPCODE_COUNT));
  for (uint32_t op = 1; op < TENON_OPCODE_COUNT; ++op) {
    int dtypes = 0;
    for (uint32_t dtype = 0; dtype < TENON_DTYPE_COUNT; ++dtype)
      dtypes += tenon_opcode_defined(op, dtype);
    EXPECT_GT(dtypes, 0) << tenon_opcode_name(op);
    EXPECT_FALSE(tenon_opcode_defined(op, TENON_C64) || tenon_opcode_defined(op, 0) ||
                 tenon_opcode_defined(op, 99));
  }
  EXPECT_EQ(tenon_opcode_operands(0), -1);
  EXPECT_EQ(tenon_opcode_operands(65), -1);
}

}  // namespace
