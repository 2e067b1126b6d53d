#include "tenon/map/normal.h"

#include "tenon/map/approximations.h"

namespace tenon::map {
namespace {

// -log(p) of a normal number p = 2^e m with m from sqrt(1/2) to sqrt(2): with s = (1 - m) / (1 +
// m), -log(m) = 2s + 2/3 s^3 + ..
Value minus_log(Value p) {
  Builder& b = p.builder();
  const DType d = p.dtype();
  const bool wide = d == DType::float64;
  const DType integer = wide ? DType::int64 : DType::int32;
  const Value bits = bitcast(p, integer);
  const Value root_half = b.constant_bits(wide ? 0x3FE6A09E667F3BCDull : 0x3F3504F3ull, integer);
  const double digits = wide ? 52 : 23;
  const Value e = (bits - root_half) >> digits;
  const Value m = bitcast(bits - (e << digits), d);
  const Value s = (1 - m) / (m + 1), z = s * s;
  const Value minus_log_m = fma(s * z, horner(z, kLog32, kLog64), s + s);
  return fma(cast(e, d), b.constant(-0.69314718055994530942, d), minus_log_m);
}

}  // namespace

Value normal_quantile(Value q) {
  const Value square = 0.180625 - q * q;
  const Value centre = q * (horner(square, kNormalCentre32P, kNormalCentre64P) /
                            horner(square, kNormalCentre32Q, kNormalCentre64Q));
  const Value a = abs(q), r = sqrt(minus_log(0.5 - a)) - 1.6;
  const Value tail =
      horner(r, kNormalTail32P, kNormalTail64P) / horner(r, kNormalTail32Q, kNormalTail64Q);
  return select(a <= 0.425, centre, select(q < 0, -tail, tail));
}

Value normal_from_bits(Value bits) {
  const bool wide = bits.dtype() == DType::uint64;
  const DType d = wide ? DType::float64 : DType::float32;
  const Value k = cast(bits >> (wide ? 11 : 8), d);
  // q = (k + 1/2) / 2^n - 1/2; every step is exact, as would not be u itself above 1/2.
  const double unit = wide ? 0x1p-53 : 0x1p-24;
  return normal_quantile(
      fma(k, k.builder().constant(unit, d), k.builder().constant(unit / 2 - 0.5, d)));
}

}  // namespace tenon::map
