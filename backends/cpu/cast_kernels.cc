// CAST: every pair of dtypes that programs compute in or store. Float to int saturates, int to int
// wraps; f16, bf16 and the 8-bit floats are rounded once, whatever the source (the conversions of
// tenon_half.h and tenon_float8.h).
#include "backends/cpu/kernels.h"
#include "backends/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/cast_kernels.cc"
#include "hwy/foreach_target.h"
// after foreach_target
#include "backends/cpu/loops-inl.h"
#include "hwy/highway.h"
#include "tenon/abi/tenon_float8.h"

HWY_BEFORE_NAMESPACE();
namespace tenon_cpu {
namespace HWY_NAMESPACE {
namespace {

template <class From, class To>
struct CastTo {
  static TENON_INLINE To Do(From x) { return Cast<To>(x); }
};
template <class From>
struct CastToTruth {
  static TENON_INLINE uint8_t Do(From x) { return CastToBool(x); }
};

template <class From>
struct CastToF16 {
  static TENON_INLINE uint16_t Do(From x) {
    if constexpr (sizeof(From) == 8 && kFloat<From>)
      return tenon_f64_to_f16(x);
    else
      return tenon_f32_to_f16(
          static_cast<float>(x));  // beyond 2^16 infinite, so an integer is rounded once
  }
};
template <class From>
struct CastToBF16 {
  static TENON_INLINE uint16_t Do(From x) {
    if constexpr (sizeof(From) == 8 && kFloat<From>)
      return tenon_f64_to_bf16(x);
    else if constexpr (sizeof(From) == 8 && std::is_signed_v<From>)
      return tenon_i64_to_bf16(x);
    else if constexpr (sizeof(From) == 8)
      return tenon_u64_to_bf16(x);
    else if constexpr (sizeof(From) == 4 && !kFloat<From>)
      return tenon_f64_to_bf16(x);
    else
      return tenon_f32_to_bf16(static_cast<float>(x));
  }
};

// The 8-bit floats, as F16 and BF16 are the 16-bit ones.
#define TENON_FLOAT8(Name, name)                                                  \
  struct Name {                                                                   \
    using Bits = uint8_t;                                                         \
    static void Widen(float* to, const uint8_t* from, int64_t n) {                \
      TENON_IVDEP                                                                 \
      for (int64_t i = 0; i < n; ++i) to[i] = tenon_##name##_to_f32(from[i]);     \
    }                                                                             \
    static void Narrow(uint8_t* to, const float* from, int64_t n) {               \
      TENON_IVDEP                                                                 \
      for (int64_t i = 0; i < n; ++i) to[i] = tenon_f32_to_##name(from[i]);       \
    }                                                                             \
  };                                                                              \
  template <class From>                                                           \
  struct CastTo##Name {                                                           \
    static TENON_INLINE uint8_t Do(From x) {                                      \
      if constexpr (sizeof(From) == 8 && kFloat<From>)                            \
        return tenon_f64_to_##name(x);                                            \
      else /* an integer beyond 2^24 is more than 8 bits hold, however rounded */ \
        return tenon_f32_to_##name(static_cast<float>(x));                        \
    }                                                                             \
  };
TENON_FLOAT8(F8E4M3Fn, f8e4m3fn)
TENON_FLOAT8(F8E5M2, f8e5m2)
#undef TENON_FLOAT8

template <class From>
ArrayFn CastFrom(uint32_t to) {
  switch (to) {
    case TENON_BOOL:
      return &Unary<CastToTruth<From>, From, uint8_t>;
#define TENON_KERNEL(T) Unary<CastTo<From, T>, From, T>
      TENON_INTEGER_CASES(TENON_KERNEL)
#undef TENON_KERNEL
    case TENON_F16:
      return &Unary<CastToF16<From>, From, uint16_t>;
    case TENON_BF16:
      return &Unary<CastToBF16<From>, From, uint16_t>;
    case TENON_F32:
      return &Unary<CastTo<From, float>, From, float>;
    case TENON_F64:
      return &Unary<CastTo<From, double>, From, double>;
    case TENON_F8E4M3FN:
      return &Unary<CastToF8E4M3Fn<From>, From, uint8_t>;
    case TENON_F8E5M2:
      return &Unary<CastToF8E5M2<From>, From, uint8_t>;
    default:
      return nullptr;
  }
}

template <class H>
void Widen(void* dst, const void* a, const void*, const void*, int64_t n, uint32_t) {
  H::Widen(static_cast<float*>(dst), static_cast<const typename H::Bits*>(a), n);
}
template <class H>
void Narrow(void* dst, const void* a, const void*, const void*, int64_t n, uint32_t) {
  H::Narrow(static_cast<typename H::Bits*>(dst), static_cast<const float*>(a), n);
}

// From a narrow float to anything but f32, which holds every one of them exactly.
template <class H, ArrayFn kFromF32, class To>
void CastHalf(void* dst, const void* a, const void*, const void*, int64_t n, uint32_t) {
  alignas(64) float wide[kHalfChunk];
  for (int64_t i = 0; i < n; i += kHalfChunk) {
    const int64_t m = n - i < kHalfChunk ? n - i : kHalfChunk;
    H::Widen(wide, static_cast<const typename H::Bits*>(a) + i, m);
    kFromF32(static_cast<To*>(dst) + i, wide, nullptr, nullptr, m, 0);
  }
}

template <class H>
ArrayFn CastFromHalf(uint32_t to) {
  switch (to) {
    case TENON_BOOL:
      return &CastHalf<H, &Unary<CastToTruth<float>, float, uint8_t>, uint8_t>;
#define TENON_COMMA ,
#define TENON_KERNEL(T)    \
  CastHalf<H TENON_COMMA & \
           Unary<CastTo<float TENON_COMMA T> TENON_COMMA float TENON_COMMA T> TENON_COMMA T>
      TENON_INTEGER_CASES(TENON_KERNEL)
#undef TENON_KERNEL
#undef TENON_COMMA
    case TENON_F16:
      return &CastHalf<H, &Narrow<F16>, uint16_t>;
    case TENON_BF16:
      return &CastHalf<H, &Narrow<BF16>, uint16_t>;
    case TENON_F32:
      return &Widen<H>;
    case TENON_F64:
      return &CastHalf<H, &Unary<CastTo<float, double>, float, double>, double>;
    case TENON_F8E4M3FN:
      return &CastHalf<H, &Narrow<F8E4M3Fn>, uint8_t>;
    case TENON_F8E5M2:
      return &CastHalf<H, &Narrow<F8E5M2>, uint8_t>;
    default:
      return nullptr;
  }
}

ArrayFn CastFromF32(uint32_t to) {
  if (to == TENON_F16) return &Narrow<F16>;
  if (to == TENON_BF16) return &Narrow<BF16>;
  return CastFrom<float>(to);
}

}  // namespace

ArrayFn Casts(uint32_t from, uint32_t to) {
  switch (from) {
    case TENON_BOOL:
    case TENON_U8:
      return CastFrom<uint8_t>(to);
    case TENON_I8:
      return CastFrom<int8_t>(to);
    case TENON_U16:
      return CastFrom<uint16_t>(to);
    case TENON_I16:
      return CastFrom<int16_t>(to);
    case TENON_U32:
      return CastFrom<uint32_t>(to);
    case TENON_I32:
      return CastFrom<int32_t>(to);
    case TENON_U64:
      return CastFrom<uint64_t>(to);
    case TENON_I64:
      return CastFrom<int64_t>(to);
    case TENON_F16:
      return CastFromHalf<F16>(to);
    case TENON_BF16:
      return CastFromHalf<BF16>(to);
    case TENON_F32:
      return CastFromF32(to);
    case TENON_F64:
      return CastFrom<double>(to);
    case TENON_F8E4M3FN:
      return CastFromHalf<F8E4M3Fn>(to);
    case TENON_F8E5M2:
      return CastFromHalf<F8E5M2>(to);
    default:
      return nullptr;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tenon_cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon_cpu {
ArrayFn FindCast(uint32_t from, uint32_t to) { return TENON_BEST_TARGET(Casts)(from, to); }
}  // namespace tenon_cpu
#endif
