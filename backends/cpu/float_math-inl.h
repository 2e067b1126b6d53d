// Transcendental functions on one element, without branches and calls, so that the loops over them
// are vectorised. Included once per target.
//
// f32: EXP EXP2 LOG TANH ERF in f32, the rest through f64 (which makes them nearly exact). f64: EXP
// LOG TANH. The bounds (4 ULP, POW 16, others 8) are proved by math_kernels_test. Sources are named
// at each function.
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "backends/cpu/targets.h"

#if defined(TENON_BACKENDS_CPU_FLOAT_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TENON_BACKENDS_CPU_FLOAT_MATH_INL_H_
#undef TENON_BACKENDS_CPU_FLOAT_MATH_INL_H_
#else
#define TENON_BACKENDS_CPU_FLOAT_MATH_INL_H_
#endif

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tenon_cpu {
namespace HWY_NAMESPACE {
namespace {

inline constexpr double kPi = 3.14159265358979323846;

// a * b + c, fused where the processor can; the reductions below are exact without it too.
template <class T>
TENON_INLINE T Mad(T a, T b, T c) {
#if defined(__x86_64__) && HWY_TARGET != HWY_AVX2 && HWY_TARGET != HWY_AVX3
  return a * b + c;
#else
  if constexpr (sizeof(T) == 4)
    return __builtin_fmaf(a, b, c);
  else
    return __builtin_fma(a, b, c);
#endif
}

template <class T, class... More>
TENON_INLINE T Poly(T x, T highest, More... more) {
  T r = highest;
  ((r = Mad(r, x, T(more))), ...);
  return r;
}

// Adding this number leaves an integer in the low bits of the sum, rounded to nearest even.
template <class T>
inline constexpr T kShifter = sizeof(T) == 4 ? T(0x1.8p23) : T(0x1.8p52);

template <class T>
TENON_INLINE T Nearest(T x) {
  return (x + kShifter<T>)-kShifter<T>;
}

// 2^k for an integer k of the normal range, from k + kShifter; k may be NaN, then the result is any
// number.
TENON_INLINE float PowerOfShifted(float shifted) {
  return std::bit_cast<float>((std::bit_cast<uint32_t>(shifted) + 127u) << 23);
}
TENON_INLINE double PowerOfShifted(double shifted) {
  return std::bit_cast<double>((std::bit_cast<uint64_t>(shifted) + 1023u) << 52);
}
template <class T>
TENON_INLINE T PowerOfTwo(T k) {
  return PowerOfShifted(k + kShifter<T>);
}

// x * 2^k in two steps, so that the result may be subnormal or infinite.
template <class T>
TENON_INLINE T Scale(T x, T k) {
  const T half = Nearest(k * T(0.5));
  return x * PowerOfTwo(half) * PowerOfTwo(k - half);
}

// exp on [-ln 2 / 2, ln 2 / 2]. f32: minimax by N. Juffa (0.86 ULP with FMA); f64: Taylor.
TENON_INLINE float ExpReduced(float r) {
  return Poly(r, 1.37805939e-3f, 8.37312452e-3f, 4.16695364e-2f, 1.66664720e-1f, 4.99999851e-1f,
              1.0f, 1.0f);
}
// The same less 1.
TENON_INLINE double Expm1Reduced(double r) {
  const double tail =
      Poly(r, 1 / 6227020800.0, 1 / 479001600.0, 1 / 39916800.0, 1 / 3628800.0, 1 / 362880.0,
           1 / 40320.0, 1 / 5040.0, 1 / 720.0, 1 / 120.0, 1 / 24.0, 1 / 6.0, 0.5);
  return Mad(tail * r, r, r);
}
TENON_INLINE double ExpReduced(double r) { return Expm1Reduced(r) + 1.0; }

struct Exp {
  static TENON_INLINE float Do(float x) {
    x = x < -104.0f ? -104.0f : x;
    x = x > 89.0f ? 89.0f : x;
    const float k = Nearest(x * 1.44269504f);
    return Scale(ExpReduced(Rest(x, k)), k);
  }
  static TENON_INLINE double Do(double x) {
    x = x < -746.0 ? -746.0 : x;
    x = x > 710.0 ? 710.0 : x;
    const double k = Nearest(x * 1.44269504088896338700);
    return Scale(ExpReduced(Rest(x, k)), k);
  }

  // The same bits where |x| <= kNormal or x is NaN, in half the instructions: 2^k is a normal
  // number there.
  template <class T>
  static constexpr T kNormal = sizeof(T) == 4 ? T(87) : T(708);
  template <class T>
  static TENON_INLINE T Normal(T x) {
    const T shifted = x * T(1.44269504088896338700) + kShifter<T>;
    return ExpReduced(Rest(x, shifted - kShifter<T>)) * PowerOfShifted(shifted);
  }

 private:
  // x - k ln 2, the constant in two parts: split as in Cephes and as in fdlibm.
  static TENON_INLINE float Rest(float x, float k) {
    return Mad(k, 2.12194440e-4f, Mad(k, -0.693359375f, x));
  }
  static TENON_INLINE double Rest(double x, double k) {
    return Mad(k, -1.90821492927058770002e-10, Mad(k, -6.93147180369123816490e-01, x));
  }
};

struct Exp2 {
  static TENON_INLINE float Do(float x) {
    x = x < -151.0f ? -151.0f : x;
    x = x > 129.0f ? 129.0f : x;
    const float k = Nearest(x);
    return Scale(ExpReduced((x - k) * 0.693147181f), k);
  }
  static TENON_INLINE double Do(double x) {
    x = x < -1076.0 ? -1076.0 : x;
    x = x > 1025.0 ? 1025.0 : x;
    const double k = Nearest(x);
    return Scale(ExpReduced((x - k) * 0.693147180559945309417), k);
  }
};

// C's answers at the edge of the domain of log.
template <class T>
TENON_INLINE T LogEdges(T x, T inner) {
  constexpr T infinity = std::numeric_limits<T>::infinity();
  const T edge = x < 0 ? std::numeric_limits<T>::quiet_NaN() : x == 0 ? -infinity : x;
  const bool inside = x > 0 && x < infinity;
  return inside ? inner : edge;
}

struct Log {
  // N. Juffa's logf: m in [2/3, 4/3], log1p by a minimax polynomial in two interleaved halves; 0.85
  // ULP.
  static TENON_INLINE float Do(float x) {
    const bool subnormal = x < 1.17549435e-38f;
    const float a = subnormal ? x * 8388608.0f : x;
    const uint32_t bits = std::bit_cast<uint32_t>(a);
    const uint32_t exponent = (bits - 0x3f2aaaabu) & 0xff800000u;
    const float m = std::bit_cast<float>(bits - exponent) - 1.0f;
    const float k = Mad(static_cast<float>(static_cast<int32_t>(exponent)), 1.19209290e-7f,
                        subnormal ? -23.0f : 0.0f);
    const float s = m * m;
    const float even = Poly(s, -0.130310059f, -0.121483512f, -0.166846126f, -0.249996200f);
    const float odd = Poly(s, 0.140869141f, 0.139814854f, 0.200120345f);
    const float r = Mad(Mad(Mad(Mad(odd, m, even), m, 0.333331972f), m, -0.5f), s, m);
    return LogEdges(x, Mad(k, 0.693147182f, r));
  }
  // fdlibm's e_log.c; m in [sqrt(1/2), sqrt(2)].
  static TENON_INLINE double Do(double x) {
    const bool subnormal = x < 2.2250738585072014e-308;
    const double a = subnormal ? x * 0x1p54 : x;
    const uint64_t bits = std::bit_cast<uint64_t>(a);
    const uint64_t biased = bits - 0x3fe6a09e00000000u + (uint64_t{1024} << 52);
    const double k = std::bit_cast<double>((biased >> 52) | 0x4330000000000000u) -
                     (0x1p52 + 1024.0) - (subnormal ? 54.0 : 0.0);
    const double f =
        std::bit_cast<double>(bits - (biased & 0xfff0000000000000u) + (uint64_t{1024} << 52)) - 1.0;
    const double s = f / (2.0 + f);
    const double z = s * s;
    const double series =
        z * Poly(z, 1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01,
                 2.222219843214978396e-01, 2.857142874366239149e-01, 3.999999999940941908e-01,
                 6.666666666666735130e-01);
    const double square = 0.5 * f * f;
    const double inner = k * 6.93147180369123816490e-01 -
                         ((square - (s * (square + series) + k * 1.90821492927058770002e-10)) - f);
    return LogEdges(x, inner);
  }
};

// f32: Cephes' odd polynomial near 0, an exponential elsewhere. f64: e / (e + 2) with e = exp(2x)
// - 1.
struct Tanh {
  static TENON_INLINE float Do(float x) {
    const float t = std::fabs(x);
    const float z = x * x;
    const float near = Mad(Poly(z, -5.70498872745e-3f, 2.06390887954e-2f, -5.37397155531e-2f,
                                1.33314422036e-1f, -3.33332819422e-1f) *
                               z,
                           x, x);
    const float far = 1.0f - 2.0f / (Exp::Do(t + t) + 1.0f);
    return t < 0.625f ? (x == 0 ? x : near) : std::copysign(t > 10.0f ? 1.0f : far, x);
  }
  static TENON_INLINE double Do(double x) {
    const double t = std::fabs(x) > 22.0 ? 22.0 : std::fabs(x);  // 1 from there on; NaN stays
    const double k = Nearest(t * (2 * 1.44269504088896338700));
    const double r =
        Mad(k, -1.90821492927058770002e-10, Mad(k, -6.93147180369123816490e-01, t + t));
    const double power = PowerOfTwo(k);
    const double e = Mad(power, Expm1Reduced(r), power - 1.0);
    return x == 0 ? x : std::copysign(e / (e + 2.0), x);
  }
};

// N. Juffa's erff: 1 - exp(polynomial) beyond 0.93, an odd polynomial before; 1 ULP.
struct Erf {
  static TENON_INLINE float Do(float x) {
    const float t = std::fabs(x);
    const float s = x * x;
    float r =
        Mad(Mad(-1.72853470e-5f, t, 3.83197126e-4f), s, Mad(-3.88396438e-3f, t, 2.42546219e-2f));
    r = Mad(Mad(Mad(r, t, -1.06777877e-1f), t, -6.34846687e-1f), t, -1.28717512e-1f);
    const float far = 1.0f - Exp::Do(Mad(r, t, -t));
    const float near = Mad(Poly(s, -5.96761703e-4f, 4.99119423e-3f, -2.67681349e-2f, 1.12819925e-1f,
                                -3.76125336e-1f, 1.28379166e-1f),
                           x, x);
    // Beyond 4 the polynomial turns round; the function is 1 there.
    return t > 0.927734375f ? std::copysign(t > 4.0f ? 1.0f : far, x) : (x == 0 ? x : near);
  }
};

// ---- f32 through f64
// ------------------------------------------------------------------------------------------

// x - k * pi/2 with the constant in three parts of 33 bits (fdlibm): exact products for |k| < 2^20.
// `quadrant` is k modulo 4 in the low bits.
TENON_INLINE double ReduceTrig(double x, uint64_t& quadrant) {
  const double shifted = x * 6.36619772367581382433e-01 + kShifter<double>;
  quadrant = std::bit_cast<uint64_t>(shifted);
  const double k = shifted - kShifter<double>;
  return ((x - k * 1.57079632673412561417e+00) - k * 6.07710050630396597660e-11) -
         k * 2.02226624879595063154e-21;
}

// fdlibm's __sindf and __cosdf on [-pi/4, pi/4]: 2^-37 and 2^-34.
TENON_INLINE double SinReduced(double r) {
  const double z = r * r;
  return r + r * z *
                 Poly(z, 0.0000027183114939898219064, -0.000198393348360966317347,
                      0.0083333293858894631756, -0.166666666416265235595);
}
TENON_INLINE double CosReduced(double r) {
  const double z = r * r;
  return 1.0 + z * Poly(z, 0.0000243904487962774090654, -0.00138867637746099294692,
                        0.0416666233237390631894, -0.499999997251031003120);
}

// A guarded function: Inside says where Do holds, Outside (scalar) answers elsewhere.
struct TrigDomain {
  static TENON_INLINE bool Inside(float x) { return std::fabs(x) <= 1e6f; }
};

TENON_INLINE double SinOf(double x, uint64_t turn) {
  uint64_t quadrant;
  const double r = ReduceTrig(x, quadrant);
  quadrant += turn;
  const double s = SinReduced(r);
  const double c = CosReduced(r);
  const double y = (quadrant & 1) != 0 ? c : s;
  return (quadrant & 2) != 0 ? -y : y;
}

struct Sin : TrigDomain {
  static TENON_INLINE float Do(float x) { return x == 0 ? x : static_cast<float>(SinOf(x, 0)); }
  static float Outside(float x) { return std::sin(x); }
};
struct Cos : TrigDomain {
  static TENON_INLINE float Do(float x) { return static_cast<float>(SinOf(x, 1)); }
  static float Outside(float x) { return std::cos(x); }
};
struct Tan : TrigDomain {
  static TENON_INLINE float Do(float x) {
    return x == 0 ? x : static_cast<float>(SinOf(x, 0) / SinOf(x, 1));
  }
  static float Outside(float x) { return std::tan(x); }
};

// Only for normal positive bases and finite exponents; C's many special cases are left to C.
struct Pow {
  static TENON_INLINE bool Inside(float x, float y) {
    constexpr float most = std::numeric_limits<float>::max();
    return (int{x > 0} & int{x <= most} & int{std::fabs(y) <= most}) !=
           0;  // no jumps: the test is vectorised
  }
  static TENON_INLINE float Do(float x, float y) {
    return static_cast<float>(Exp::Do(double{y} * Log::Do(double{x})));
  }
  static float Outside(float x, float y) { return std::pow(x, y); }
};

// exp(-x^2) times a slowly varying factor: (1 + 2 a) exp(a^2) erfc(a) as a polynomial in
// (a - 4) / (a + 4), a = |x|, fitted at Chebyshev's nodes on [0, 11]; relative error 2e-10. Beyond
// 11 the result is no float any more.
struct Erfc {
  static TENON_INLINE float Do(float x) {
    const double size = std::fabs(double{x});
    const double a = size > 11.0 ? 11.0 : size;
    const double factor =
        Poly((a - 4.0) / (a + 4.0), 8.767850910418287e-05, -0.0003462759252356055,
             -0.0008140711714186565, 0.005094145558696253, -0.016152725045908783,
             0.03716039620589239, -0.06634052001280892, 0.09373272048219779, -0.10103813569006773,
             0.06809709781697114, 0.015379621185415568, -0.13962111777652222, 1.2329951187967566);
    const double tail = Exp::Do(-a * a) * factor / (1.0 + 2.0 * a);
    return static_cast<float>(x < 0 ? 2.0 - tail : tail);
  }
};

struct Expm1 {
  static TENON_INLINE float Do(float v) {
    const double x = v;
    return v == 0 ? v
                  : static_cast<float>(std::fabs(x) < 1e-4 ? x + 0.5 * x * x : Exp::Do(x) - 1.0);
  }
};
struct Log2 {
  static TENON_INLINE float Do(float x) {
    return static_cast<float>(Log::Do(double{x}) * 1.44269504088896340736);
  }
};
struct Log10 {
  static TENON_INLINE float Do(float x) {
    return static_cast<float>(Log::Do(double{x}) * 0.43429448190325182765);
  }
};
struct Log1p {
  static TENON_INLINE float Do(float v) {
    const double x = v;
    return v == 0 ? v
                  : static_cast<float>(std::fabs(x) < 1e-4 ? x - x * x * (0.5 - x / 3.0)
                                                           : Log::Do(1.0 + x));
  }
};
struct Sinh {
  static TENON_INLINE float Do(float v) {
    const double x = v, z = x * x;
    return v == 0 ? v
                  : static_cast<float>(std::fabs(x) < 0.05 ? x + x * z * (1 / 6.0 + z / 120.0)
                                                           : 0.5 * (Exp::Do(x) - Exp::Do(-x)));
  }
};
struct Cosh {
  static TENON_INLINE float Do(float x) {
    return static_cast<float>(0.5 * (Exp::Do(double{x}) + Exp::Do(-double{x})));
  }
};
struct Asinh {
  static TENON_INLINE float Do(float v) {
    const double x = v, z = x * x, t = std::fabs(x);
    const double near = x - x * z * (1 / 6.0 - z * (3 / 40.0 - z * (15 / 336.0)));
    return v == 0 ? v
                  : static_cast<float>(
                        t < 0.05 ? near : std::copysign(Log::Do(t + std::sqrt(z + 1.0)), x));
  }
};
struct Acosh {
  static TENON_INLINE float Do(float v) {
    const double x = v;
    const double y = Log::Do(x + std::sqrt((x - 1.0) * (x + 1.0)));
    return static_cast<float>(x < 1.0 ? std::numeric_limits<double>::quiet_NaN() : y);
  }
};
struct Atanh {
  static TENON_INLINE float Do(float v) {
    const double x = v, z = x * x;
    const double near = x + x * z * (1 / 3.0 + z * (1 / 5.0 + z * (1 / 7.0)));
    return v == 0 ? v
                  : static_cast<float>(std::fabs(x) < 0.02 ? near
                                                           : 0.5 * Log::Do((1.0 + x) / (1.0 - x)));
  }
};

// Cephes' atanf, in f64: 2^-26.
TENON_INLINE double AtanOf(double x) {
  const double t = std::fabs(x);
  const bool far = t > 2.414213562373095;
  const bool middle = t > 0.4142135623730950;
  const double numerator = far ? -1.0 : middle ? t - 1.0 : t;
  const double denominator = far ? t : middle ? t + 1.0 : 1.0;
  const double r = numerator / denominator;
  const double z = r * r;
  const double y =
      r + r * z * Poly(z, 8.05374449538e-2, -1.38776856032e-1, 1.99777106478e-1, -3.33329491539e-1);
  return std::copysign((far ? kPi / 2 : middle ? kPi / 4 : 0.0) + y, x);
}
struct Atan {
  static TENON_INLINE float Do(float x) { return static_cast<float>(AtanOf(x)); }
};
struct Asin {
  static TENON_INLINE float Do(float v) {
    const double x = v;
    return v == 0 ? v : static_cast<float>(AtanOf(x / std::sqrt((1.0 - x) * (1.0 + x))));
  }
};
struct Acos {
  static TENON_INLINE float Do(float v) {
    const double x = v;
    const double y = AtanOf(std::sqrt((1.0 - x) * (1.0 + x)) / std::fabs(x));
    return static_cast<float>(x < 0 ? kPi - y : y);
  }
};
struct Atan2 {
  static TENON_INLINE bool Inside(float y, float x) {
    constexpr float most = std::numeric_limits<float>::max();
    return (int{std::fabs(y) <= most} & int{std::fabs(x) <= most} & (int{y != 0} | int{x != 0})) !=
           0;
  }
  static TENON_INLINE float Do(float y, float x) {
    const double first = AtanOf(std::fabs(double{y}) / std::fabs(double{x}));
    return static_cast<float>(
        std::copysign(std::copysign(1.0f, x) < 0 ? kPi - first : first, double{y}));
  }
  static float Outside(float y, float x) { return std::atan2(y, x); }
};

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tenon_cpu
HWY_AFTER_NAMESPACE();
#endif  // toggle
