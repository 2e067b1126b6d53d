// The rows of elementwise.def as templates: rows::sigmoid(x) with map::Value records, with double
// computes.
//
// Included by elementwise.cc and by tests. For double the primitives below stand in for the
// opcodes, so that a row read with double can judge a backend.
#ifndef TENON_OPS_ROWS_H_
#define TENON_OPS_ROWS_H_

#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>

#include "tenon/map/builder.h"
#include "tenon/ops/elementwise.h"

namespace tenon::rows {

inline constexpr double infinity = std::numeric_limits<double>::infinity();
// Where a row gives no slope of its own.
struct Derived {};
inline constexpr Derived derived{};

// --- the opcodes for double ---
#define TENON_ROW_PRIMITIVE(name) \
  inline double name(double x) { return std::name(x); }
// clang-format off
TENON_ROW_PRIMITIVE(abs)
TENON_ROW_PRIMITIVE(floor) TENON_ROW_PRIMITIVE(ceil) TENON_ROW_PRIMITIVE(trunc)
TENON_ROW_PRIMITIVE(rint) TENON_ROW_PRIMITIVE(sqrt) TENON_ROW_PRIMITIVE(exp)
TENON_ROW_PRIMITIVE(log) TENON_ROW_PRIMITIVE(sin) TENON_ROW_PRIMITIVE(cos)
TENON_ROW_PRIMITIVE(tanh) TENON_ROW_PRIMITIVE(erf) TENON_ROW_PRIMITIVE(exp2)
TENON_ROW_PRIMITIVE(expm1) TENON_ROW_PRIMITIVE(log2) TENON_ROW_PRIMITIVE(log10)
TENON_ROW_PRIMITIVE(log1p) TENON_ROW_PRIMITIVE(tan) TENON_ROW_PRIMITIVE(asin)
TENON_ROW_PRIMITIVE(acos) TENON_ROW_PRIMITIVE(atan) TENON_ROW_PRIMITIVE(sinh)
TENON_ROW_PRIMITIVE(cosh) TENON_ROW_PRIMITIVE(asinh) TENON_ROW_PRIMITIVE(acosh)
TENON_ROW_PRIMITIVE(atanh) TENON_ROW_PRIMITIVE(erfc)
#undef TENON_ROW_PRIMITIVE

inline double rsqrt(double x) { return 1 / std::sqrt(x); }
// clang-format on
inline double recip(double x) { return 1 / x; }
inline double sign(double x) { return std::isnan(x) ? x : static_cast<double>((x > 0) - (x < 0)); }
inline double max(double x, double y) { return std::isnan(x) || x > y ? x : y; }
inline double min(double x, double y) { return std::isnan(x) || x < y ? x : y; }
inline double rem(double x, double y) { return std::fmod(x, y); }
inline double pow(double x, double y) { return std::pow(x, y); }
inline double atan2(double y, double x) { return std::atan2(y, x); }
inline double copysign(double x, double y) { return std::copysign(x, y); }
inline double select(bool c, double x, double y) { return c ? x : y; }
inline bool eq(double x, double y) { return x == y; }
inline bool ne(double x, double y) { return x != y; }
// Newton's steps on erf from a logarithmic first guess (Winitzki 2008).
inline double erfinv(double y) {
  if (std::abs(y) >= 1)
    return y == 1 ? infinity : y == -1 ? -infinity : std::numeric_limits<double>::quiet_NaN();
  const double l = std::log1p(-y * y), a = 4.3307467508 + l / 2;
  double x = std::copysign(std::sqrt(std::sqrt(a * a - l / 0.147) - a), y);
  for (int i = 0; i < 4; ++i) x -= (std::erf(x) - y) / (1.1283791670955126 * std::exp(-x * x));
  return x;
}

// --- formulas too long for a row ---

template <class T>
T conj_of(T x) {
  return x;
}
template <class T>
auto is_infinite(T x) {
  return eq(abs(x), infinity);
}
template <class T>
auto is_finite(T x) {
  return abs(x) < infinity;
}

// f(x) for floats; integers as they are.
template <class T, class F>
T of_floats(T x, F f) {
  if constexpr (std::is_same_v<T, map::Value>) {
    if (!is_floating(x.dtype())) return x;
  }
  return f(x);
}

// The opcode keeps the sign of a zero.
template <class T>
T sign_of(T x) {
  return of_floats(sign(x), [](auto v) { return v + 0.0; });
}

// Floats: by the remainder, so that floor_divide(x, y) * y + remainder(x, y) is x as nearly as can
// be (Python's rule).
template <class T>
T floor_quotient(T x, T y) {
  const T r = rem(x, y);
  const auto adjust = ne(r, 0.0) & ((r < 0.0) ^ (y < 0.0));
  if constexpr (std::is_same_v<T, map::Value>) {
    if (!is_floating(x.dtype())) {
      const T q = x / y;
      return select(adjust, q - 1.0, q);
    }
  }
  const T q = (x - r) / y, whole = rint(select(adjust, q - 1.0, q));
  // A zero has the sign of x / y.
  return select(eq(y, 0.0), x / y, select(eq(whole, 0.0), copysign(0.0, x / y), whole));
}

template <class T>
T floor_remainder(T x, T y) {
  const T r = rem(x, y);
  const T y_sided = select(ne(r, 0.0) & ((r < 0.0) ^ (y < 0.0)), r + y, r);
  // A zero has the sign of y: 0 + r is 0 for both zeros, and what r is elsewhere.
  return of_floats(y_sided, [&](T v) { return select(y < 0.0, -(0.0 - v), 0.0 + v); });
}

template <class T>
T hypotenuse(T x, T y) {
  const T a = max(abs(x), abs(y)), b = min(abs(x), abs(y)), ratio = b / a;
  // 0/0 and inf/inf would be NaN; one infinity is enough, also beside a NaN (IEEE 754).
  const T finite = select(eq(a, 0.0), a, a * sqrt(1.0 + ratio * ratio));
  return select(eq(abs(x), infinity) | eq(abs(y), infinity), infinity, finite);
}

template <class T>
T sigmoid_of(T x);

// Records or computes a row, and tells the recording of the row's own slopes.
template <class Row, class T>
auto apply_row(T x) {
  const auto y = Row::value(x);
  if constexpr (std::is_same_v<T, map::Value> && Row::kHasSlope) {
    if (is_floating(x.dtype())) x.builder().add_slope(y, x, Row::slope(x, y));
  }
  return y;
}
template <class Row, class T>
auto apply_row(T x, T y) {
  const auto z = Row::value(x, y);
  if constexpr (std::is_same_v<T, map::Value> && Row::kHasSlope) {
    if (is_floating(x.dtype())) {
      x.builder().add_slope(z, x, Row::slope_x(x, y, z));
      x.builder().add_slope(z, y, Row::slope_y(x, y, z));
    }
  }
  return z;
}
template <class Row, class T>
auto apply_row(T x, T y, T z) {
  return Row::value(x, y, z);
}

#define TENON_UNARY(name, dtype_class, expression, slope_expression, low, high, doc)    \
  struct name##_row {                                                                   \
    static constexpr const char* kName = #name;                                         \
    template <class T>                                                                  \
    static auto value(T x) {                                                            \
      return expression;                                                                \
    }                                                                                   \
    template <class T>                                                                  \
    static auto slope([[maybe_unused]] T x, [[maybe_unused]] T y) {                     \
      return slope_expression;                                                          \
    }                                                                                   \
    static constexpr bool kHasSlope = std::string_view(#slope_expression) != "derived"; \
  };                                                                                    \
  template <class T>                                                                    \
  auto name(T x) {                                                                      \
    return apply_row<name##_row>(x);                                                    \
  }
#define TENON_BINARY(name, dtype_class, expression, slope_x_expression, slope_y_expression, low, \
                     high, doc)                                                                  \
  struct name##_row {                                                                            \
    static constexpr const char* kName = #name;                                                  \
    template <class T>                                                                           \
    static auto value(T x, T y) {                                                                \
      return expression;                                                                         \
    }                                                                                            \
    template <class T>                                                                           \
    static auto slope_x([[maybe_unused]] T x, [[maybe_unused]] T y, [[maybe_unused]] T z) {      \
      return slope_x_expression;                                                                 \
    }                                                                                            \
    template <class T>                                                                           \
    static auto slope_y([[maybe_unused]] T x, [[maybe_unused]] T y, [[maybe_unused]] T z) {      \
      return slope_y_expression;                                                                 \
    }                                                                                            \
    static constexpr bool kHasSlope = std::string_view(#slope_x_expression) != "derived";        \
  };                                                                                             \
  template <class T>                                                                             \
  auto name(T x, T y) {                                                                          \
    return apply_row<name##_row>(x, y);                                                          \
  }
#define TENON_TERNARY(name, dtype_class, expression, low, high, doc) \
  struct name##_row {                                                \
    static constexpr const char* kName = #name;                      \
    template <class T>                                               \
    static auto value(T x, T y, T z) {                               \
      return expression;                                             \
    }                                                                \
  };                                                                 \
  template <class T>                                                 \
  auto name(T x, T y, T z) {                                         \
    return apply_row<name##_row>(x, y, z);                           \
  }
#include TENON_ELEMENTWISE_DEF
#undef TENON_UNARY
#undef TENON_BINARY
#undef TENON_TERNARY

template <class T>
T sigmoid_of(T x) {
  return sigmoid(x);
}

}  // namespace tenon::rows

#endif  // TENON_OPS_ROWS_H_
