// What the tests of tenon_kit_evaluate.h share: one instruction on values of a C++ type.
#ifndef TENON_TESTS_ABI_ONE_INSTRUCTION_H_
#define TENON_TESTS_ABI_ONE_INSTRUCTION_H_

#include <cstdint>
#include <cstring>

#include "tenon/abi/tenon_kit_evaluate.h"

inline uint64_t Evaluate(uint16_t op, uint32_t from, uint32_t to, uint64_t a, uint64_t b = 0,
                         uint64_t c = 0) {
  TenonInstr t = {};
  t.op = op;
  t.dtype = static_cast<uint16_t>(to);
  return tenon_evaluate(&t, from, a, b, c);
}

template <class T>
uint64_t Bits(T x) {
  uint64_t bits = 0;
  std::memcpy(&bits, &x, sizeof x);
  return bits;
}

template <class T>
T Value(uint64_t bits) {
  T x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

template <class T>
inline constexpr uint32_t kDtype = 0;
template <>
inline constexpr uint32_t kDtype<uint8_t> = TENON_U8;
template <>
inline constexpr uint32_t kDtype<int8_t> = TENON_I8;
template <>
inline constexpr uint32_t kDtype<uint16_t> = TENON_U16;
template <>
inline constexpr uint32_t kDtype<int16_t> = TENON_I16;
template <>
inline constexpr uint32_t kDtype<uint32_t> = TENON_U32;
template <>
inline constexpr uint32_t kDtype<int32_t> = TENON_I32;
template <>
inline constexpr uint32_t kDtype<uint64_t> = TENON_U64;
template <>
inline constexpr uint32_t kDtype<int64_t> = TENON_I64;
template <>
inline constexpr uint32_t kDtype<float> = TENON_F32;
template <>
inline constexpr uint32_t kDtype<double> = TENON_F64;

#endif  // TENON_TESTS_ABI_ONE_INSTRUCTION_H_
