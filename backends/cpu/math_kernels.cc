// EXP .. DIGAMMA, POW and ATAN2 of floats. f64 functions beyond EXP, LOG and TANH are loops over
// C's library.
#include <cmath>

#include "backends/cpu/kernels.h"
#include "backends/cpu/special_functions.h"
#include "backends/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/math_kernels.cc"
#include "hwy/foreach_target.h"
// after foreach_target
#include "backends/cpu/float_math-inl.h"
#include "backends/cpu/loops-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tenon_cpu {
namespace HWY_NAMESPACE {
namespace {

inline constexpr int64_t kGuardChunk = 256;

// Unary for a function that holds inside a domain only: whole chunks inside take the vector loop.
// An element gets the same bits either way, so chunks may begin anywhere.
template <class Op, class T>
void GuardedUnary(void* dst, const void* a, const void*, const void*, int64_t n, uint32_t) {
  for (int64_t i = 0; i < n; i += kGuardChunk) {
    const int64_t m = n - i < kGuardChunk ? n - i : kGuardChunk;
    T* d = static_cast<T*>(dst) + i;
    const T* x = static_cast<const T*>(a) + i;
    int outside = 0;
    for (int64_t j = 0; j < m; ++j) outside |= !Op::Inside(x[j]);
    if (outside == 0) {
      Unary<Op, T>(d, x, nullptr, nullptr, m, 0);
    } else {
      for (int64_t j = 0; j < m; ++j) d[j] = Op::Inside(x[j]) ? Op::Do(x[j]) : Op::Outside(x[j]);
    }
  }
}

template <class Op, class T>
void GuardedBinary(void* dst, const void* a, const void* b, const void*, int64_t n,
                   uint32_t splat) {
  const int64_t step_a = (splat & kSplatA) != 0 ? 0 : 1;
  const int64_t step_b = (splat & kSplatB) != 0 ? 0 : 1;
  for (int64_t i = 0; i < n; i += kGuardChunk) {
    const int64_t m = n - i < kGuardChunk ? n - i : kGuardChunk;
    T* d = static_cast<T*>(dst) + i;
    const T* x = static_cast<const T*>(a) + i * step_a;
    const T* y = static_cast<const T*>(b) + i * step_b;
    int outside = 0;
    for (int64_t j = 0; j < m; ++j) outside |= !Op::Inside(x[j * step_a], y[j * step_b]);
    if (outside == 0) {
      Binary<Op, T>(d, x, y, nullptr, m, splat);
    } else {
      for (int64_t j = 0; j < m; ++j) {
        const T u = x[j * step_a], v = y[j * step_b];
        d[j] = Op::Inside(u, v) ? Op::Do(u, v) : Op::Outside(u, v);
      }
    }
  }
}

// A function of C's library, element by element. f32 goes through f64 where no vector version is
// worth its lines.
template <double (*kFn)(double), class T>
void Library(void* dst, const void* a, const void*, const void*, int64_t n, uint32_t) {
  T* d = static_cast<T*>(dst);
  const T* x = static_cast<const T*>(a);
  for (int64_t i = 0; i < n; ++i) d[i] = static_cast<T>(kFn(static_cast<double>(x[i])));
}

template <double (*kFn)(double, double)>
void LibraryBinary(void* dst, const void* a, const void* b, const void*, int64_t n,
                   uint32_t splat) {
  double* d = static_cast<double*>(dst);
  const double* x = static_cast<const double*>(a);
  const double* y = static_cast<const double*>(b);
  const int64_t step_a = (splat & kSplatA) != 0 ? 0 : 1;
  const int64_t step_b = (splat & kSplatB) != 0 ? 0 : 1;
  for (int64_t i = 0; i < n; ++i) d[i] = kFn(x[i * step_a], y[i * step_b]);
}

template <ArrayFn kF32, int kOperands, ArrayFn kF64>
ArrayFn Floats(uint32_t dtype) {
  switch (dtype) {
    case TENON_F16:
      return &Half<F16, kF32, kOperands>;
    case TENON_BF16:
      return &Half<BF16, kF32, kOperands>;
    case TENON_F32:
      return kF32;
    case TENON_F64:
      return kF64;
    default:
      return nullptr;
  }
}

template <class Op, double (*kFn)(double)>
ArrayFn VectorF32(uint32_t dtype) {
  return Floats<&Unary<Op, float>, 1, &Library<kFn, double>>(dtype);
}

template <double (*kFn)(double)>
ArrayFn ScalarOnly(uint32_t dtype) {
  return Floats<&Library<kFn, float>, 1, &Library<kFn, double>>(dtype);
}

}  // namespace

ArrayFn Math(uint32_t op, uint32_t dtype) {
  switch (op) {
    case TENON_OP_EXP:
      return FloatUnary<Exp>(dtype);
    case TENON_OP_EXP2:
      return FloatUnary<Exp2>(dtype);
    case TENON_OP_LOG:
      return FloatUnary<Log>(dtype);
    case TENON_OP_TANH:
      return FloatUnary<Tanh>(dtype);
    case TENON_OP_ERF:
      return VectorF32<Erf, std::erf>(dtype);
    case TENON_OP_SIN:
      return Floats<&GuardedUnary<Sin, float>, 1, &Library<std::sin, double>>(dtype);
    case TENON_OP_COS:
      return Floats<&GuardedUnary<Cos, float>, 1, &Library<std::cos, double>>(dtype);
    case TENON_OP_TAN:
      return Floats<&GuardedUnary<Tan, float>, 1, &Library<std::tan, double>>(dtype);
    case TENON_OP_POW:
      return Floats<&GuardedBinary<Pow, float>, 2, &LibraryBinary<std::pow>>(dtype);
    case TENON_OP_ATAN2:
      return Floats<&GuardedBinary<Atan2, float>, 2, &LibraryBinary<std::atan2>>(dtype);
    case TENON_OP_EXPM1:
      return VectorF32<Expm1, std::expm1>(dtype);
    case TENON_OP_LOG2:
      return VectorF32<Log2, std::log2>(dtype);
    case TENON_OP_LOG10:
      return VectorF32<Log10, std::log10>(dtype);
    case TENON_OP_LOG1P:
      return VectorF32<Log1p, std::log1p>(dtype);
    case TENON_OP_ASIN:
      return VectorF32<Asin, std::asin>(dtype);
    case TENON_OP_ACOS:
      return VectorF32<Acos, std::acos>(dtype);
    case TENON_OP_ATAN:
      return VectorF32<Atan, std::atan>(dtype);
    case TENON_OP_SINH:
      return VectorF32<Sinh, std::sinh>(dtype);
    case TENON_OP_COSH:
      return VectorF32<Cosh, std::cosh>(dtype);
    case TENON_OP_ASINH:
      return VectorF32<Asinh, std::asinh>(dtype);
    case TENON_OP_ACOSH:
      return VectorF32<Acosh, std::acosh>(dtype);
    case TENON_OP_ATANH:
      return VectorF32<Atanh, std::atanh>(dtype);
    case TENON_OP_ERFC:
      return VectorF32<Erfc, std::erfc>(dtype);
    case TENON_OP_ERFINV:
      return ScalarOnly<ErfInverse>(dtype);
    case TENON_OP_LGAMMA:
      return ScalarOnly<LogGamma>(dtype);
    case TENON_OP_DIGAMMA:
      return ScalarOnly<Digamma>(dtype);
    default:
      return nullptr;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tenon_cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon_cpu {
ArrayFn FindMath(uint32_t op, uint32_t dtype) { return TENON_BEST_TARGET(Math)(op, dtype); }
}  // namespace tenon_cpu
#endif
