#include "tenon/map/element.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tenon::map {
namespace {

constexpr long double kInfinity = std::numeric_limits<long double>::infinity();
constexpr long double kNan = std::numeric_limits<long double>::quiet_NaN();

struct Format {
  int digits;          // of the significand, the hidden one included
  int least_exponent;  // of the least subnormal
  int top_exponent;    // all finite values are below 2^top
};
Format format(DType d) {
  switch (d) {
    case DType::float16:
      return {11, -24, 16};
    case DType::bfloat16:
      return {8, -133, 128};
    case DType::float32:
      return {24, -149, 128};
    case DType::float8_e4m3fn:
      return {4, -9, 9};  // but for its greatest number: see round_to
    case DType::float8_e5m2:
      return {3, -16, 16};
    default:
      return {53, -1074, 1024};
  }
}

long double ulp(DType dtype, long double x) {
  const Format f = format(dtype);
  int exponent = 0;
  std::frexp(x, &exponent);
  return std::ldexp(1.0L,
                    x == 0 ? f.least_exponent : std::max(exponent - f.digits, f.least_exponent));
}

bool is_signed(DType d) { return dtype_info(d).kind == DTypeKind::Int; }
int width(DType d) { return static_cast<int>(8 * item_size(d)); }

}  // namespace

__int128 wrap(DType d, __int128 x) {
  if (d == DType::bool_) return x != 0;
  const int unused = 128 - width(d);
  const auto shifted = static_cast<unsigned __int128>(x) << unused;
  return is_signed(d) ? static_cast<__int128>(shifted) >> unused
                      : static_cast<__int128>(shifted >> unused);
}

long double round_to(DType dtype, long double x) {
  const bool has_infinity = dtype != DType::float8_e4m3fn;  // whose last number is a NaN instead
  if (x == 0 || std::isnan(x)) return x;
  if (std::isinf(x)) return has_infinity ? x : kNan;
  const long double unit = ulp(dtype, x);
  const long double rounded = std::rint(x / unit) * unit;  // both exact: unit is a power of two
  if (!has_infinity) return std::fabs(rounded) > 448 ? kNan : rounded;
  const long double bound = std::ldexp(1.0L, format(dtype).top_exponent);
  return std::fabs(rounded) >= bound ? std::copysign(kInfinity, x) : rounded;
}

uint64_t bits_of(const Element& e) {
  if (!is_real(e.dtype))
    return static_cast<uint64_t>(e.integer) & (~uint64_t{0} >> (64 - width(e.dtype)));
  const Format f = format(e.dtype);
  const int exponent_bits = width(e.dtype) - f.digits;
  const uint64_t sign = uint64_t{std::signbit(e.real)} << (width(e.dtype) - 1);
  const uint64_t infinity = ((uint64_t{1} << exponent_bits) - 1) << (f.digits - 1);
  const long double x = std::fabs(round_to(e.dtype, e.real));
  if (std::isnan(x)) {
    return e.dtype == DType::float8_e4m3fn ? 0x7F : infinity | uint64_t{1} << (f.digits - 2);
  }
  if (std::isinf(x)) return sign | infinity;
  // Consecutive values have consecutive bits: count the units, then add a binade for each exponent.
  const long double unit = ulp(e.dtype, x);
  const int binade = std::ilogb(unit) - f.least_exponent;
  const auto units = static_cast<uint64_t>(x / unit);
  return sign | (units + (static_cast<uint64_t>(binade) << (f.digits - 1)));
}

Element element_of(DType dtype, uint64_t bits) {
  if (!is_real(dtype)) return integer(dtype, wrap(dtype, bits));
  const Format f = format(dtype);
  const int exponent_bits = width(dtype) - f.digits;
  const bool negative = bits >> (width(dtype) - 1) & 1;
  const uint64_t fraction = bits & ((uint64_t{1} << (f.digits - 1)) - 1);
  const int exponent =
      static_cast<int>(bits >> (f.digits - 1) & ((uint64_t{1} << exponent_bits) - 1));
  long double x = 0;
  if (dtype == DType::float8_e4m3fn && (bits & 0x7F) == 0x7F) {
    x = kNan;
  } else if (dtype != DType::float8_e4m3fn && exponent == (1 << exponent_bits) - 1) {
    x = fraction == 0 ? kInfinity : kNan;
  } else if (exponent == 0) {
    x = std::ldexp(static_cast<long double>(fraction), f.least_exponent);
  } else {
    x = std::ldexp(static_cast<long double>(fraction | uint64_t{1} << (f.digits - 1)),
                   f.least_exponent + exponent - 1);
  }
  return real(dtype, negative ? -x : x);
}

long double ulp_distance(DType dtype, long double got, long double expected) {
  if (std::isnan(got) || std::isnan(expected))
    return std::isnan(got) && std::isnan(expected) ? 0 : kInfinity;
  const long double rounded = round_to(dtype, expected);
  if (std::isinf(got) || std::isinf(rounded)) {
    if (got == rounded) return 0;
    // The neighbour of infinity is one ulp away.
    const long double greatest = std::ldexp(1.0L, format(dtype).top_exponent);
    const long double a = std::isinf(got) ? std::copysign(greatest, got) : got;
    const long double b = std::isinf(expected) ? std::copysign(greatest, expected) : expected;
    const bool far = std::fabs(a - b) > greatest / 1024 || std::isinf(expected);
    return far ? kInfinity : std::fabs(a - b) / ulp(dtype, greatest / 2);
  }
  return std::fabs(got - expected) / ulp(dtype, expected);
}

}  // namespace tenon::map
