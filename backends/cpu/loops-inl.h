// Loops over arrays for one target: included once per target by the kernel files, as Highway's
// -inl.h files are.
#include "backends/cpu/scalar_ops.h"
#include "tenon/abi/tenon_backend.h"
#include "tenon/abi/tenon_half.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(TENON_BACKENDS_CPU_LOOPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TENON_BACKENDS_CPU_LOOPS_INL_H_
#undef TENON_BACKENDS_CPU_LOOPS_INL_H_
#else
#define TENON_BACKENDS_CPU_LOOPS_INL_H_
#endif

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tenon_cpu {
namespace HWY_NAMESPACE {
namespace {

template <class Op, class T, class R = T>
void Unary(void* dst, const void* a, const void*, const void*, int64_t n, uint32_t) {
  R* d = static_cast<R*>(dst);
  const T* x = static_cast<const T*>(a);
  TENON_IVDEP
  for (int64_t i = 0; i < n; ++i) d[i] = Op::Do(x[i]);
}

template <class Op, class T, class R = T>
void Binary(void* dst, const void* a, const void* b, const void*, int64_t n, uint32_t splat) {
  R* d = static_cast<R*>(dst);
  const T* x = static_cast<const T*>(a);
  const T* y = static_cast<const T*>(b);
  if (splat == 0) {
    TENON_IVDEP
    for (int64_t i = 0; i < n; ++i) d[i] = Op::Do(x[i], y[i]);
  } else if (splat == kSplatB) {
    const T s = y[0];
    TENON_IVDEP
    for (int64_t i = 0; i < n; ++i) d[i] = Op::Do(x[i], s);
  } else if (splat == kSplatA) {
    const T s = x[0];
    TENON_IVDEP
    for (int64_t i = 0; i < n; ++i) d[i] = Op::Do(s, y[i]);
  } else {
    const R s = Op::Do(x[0], y[0]);
    for (int64_t i = 0; i < n; ++i) d[i] = s;
  }
}

template <class Op, class T>
void Ternary(void* dst, const void* a, const void* b, const void* c, int64_t n, uint32_t) {
  T* d = static_cast<T*>(dst);
  const T* x = static_cast<const T*>(a);
  const T* y = static_cast<const T*>(b);
  const T* z = static_cast<const T*>(c);
  TENON_IVDEP
  for (int64_t i = 0; i < n; ++i) d[i] = Op::Do(x[i], y[i], z[i]);
}

// f16 and bf16 as formats of 16 bits: they compute in f32, chunk by chunk through a buffer on the
// stack.
inline constexpr int64_t kHalfChunk = 512;

struct F16 {
  using Bits = uint16_t;
  static void Widen(float* to, const uint16_t* from, int64_t n) {
    int64_t i = 0;
#if defined(__x86_64__) && (HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3)
    for (; i + 8 <= n; i += 8) {
      _mm256_storeu_ps(
          to + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
    }
#endif
    for (; i < n; ++i) to[i] = tenon_f16_to_f32(from[i]);
  }
  static void Narrow(uint16_t* to, const float* from, int64_t n) {
    int64_t i = 0;
#if defined(__x86_64__) && (HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3)
    for (; i + 8 <= n; i += 8) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i),
                       _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT));
    }
#endif
    for (; i < n; ++i) to[i] = tenon_f32_to_f16(from[i]);
  }
};

struct BF16 {
  using Bits = uint16_t;
  static void Widen(float* to, const uint16_t* from, int64_t n) {
    TENON_IVDEP
    for (int64_t i = 0; i < n; ++i) to[i] = tenon_bf16_to_f32(from[i]);
  }
  static void Narrow(uint16_t* to, const float* from, int64_t n) {
    TENON_IVDEP
    for (int64_t i = 0; i < n; ++i) to[i] = tenon_f32_to_bf16(from[i]);
  }
};

// One operand of a half kernel, widened chunk by chunk, or once if it is splat.
template <class H>
class Widened {
 public:
  Widened(const void* from, bool splat) : from_(static_cast<const uint16_t*>(from)), splat_(splat) {
    if (splat) H::Widen(chunk_, from_, 1);
  }
  const float* At(int64_t i, int64_t n) {
    if (!splat_) H::Widen(chunk_, from_ + i, n);
    return chunk_;
  }

 private:
  alignas(64) float chunk_[kHalfChunk];
  const uint16_t* from_;
  bool splat_;
};

// `kNarrow`: the result is a half again; else it is a bool.
template <class H, ArrayFn kFn, int kOperands, bool kNarrow = true>
void Half(void* dst, const void* a, const void* b, const void* c, int64_t n, uint32_t splat) {
  Widened<H> x(a, (splat & kSplatA) != 0 && kOperands == 2);
  Widened<H> y(b, kOperands == 2 && (splat & kSplatB) != 0);
  Widened<H> z(c, false);
  alignas(64) float result[kHalfChunk];
  for (int64_t i = 0; i < n; i += kHalfChunk) {
    const int64_t m = n - i < kHalfChunk ? n - i : kHalfChunk;
    const float* const xs = x.At(i, m);
    const float* const ys = kOperands > 1 ? y.At(i, m) : nullptr;
    const float* const zs = kOperands > 2 ? z.At(i, m) : nullptr;
    if constexpr (kNarrow) {
      kFn(result, xs, ys, zs, m, splat);
      H::Narrow(static_cast<uint16_t*>(dst) + i, result, m);
    } else {
      kFn(static_cast<uint8_t*>(dst) + i, xs, ys, zs, m, splat);
    }
  }
}

// The functions of one opcode for every dtype of a class.
template <class Op>
ArrayFn FloatUnary(uint32_t dtype) {
  switch (dtype) {
    case TENON_F16:
      return &Half<F16, &Unary<Op, float>, 1>;
    case TENON_BF16:
      return &Half<BF16, &Unary<Op, float>, 1>;
    case TENON_F32:
      return &Unary<Op, float>;
    case TENON_F64:
      return &Unary<Op, double>;
    default:
      return nullptr;
  }
}

template <class Op>
ArrayFn FloatBinary(uint32_t dtype) {
  switch (dtype) {
    case TENON_F16:
      return &Half<F16, &Binary<Op, float>, 2>;
    case TENON_BF16:
      return &Half<BF16, &Binary<Op, float>, 2>;
    case TENON_F32:
      return &Binary<Op, float>;
    case TENON_F64:
      return &Binary<Op, double>;
    default:
      return nullptr;
  }
}

#define TENON_INTEGER_CASES(kernel) \
  case TENON_U8:                    \
    return &kernel(uint8_t);        \
  case TENON_I8:                    \
    return &kernel(int8_t);         \
  case TENON_U16:                   \
    return &kernel(uint16_t);       \
  case TENON_I16:                   \
    return &kernel(int16_t);        \
  case TENON_U32:                   \
    return &kernel(uint32_t);       \
  case TENON_I32:                   \
    return &kernel(int32_t);        \
  case TENON_U64:                   \
    return &kernel(uint64_t);       \
  case TENON_I64:                   \
    return &kernel(int64_t);

template <class Op>
ArrayFn IntegerBinary(uint32_t dtype) {
  switch (dtype) {
#define TENON_KERNEL(T) Binary<Op, T>
    TENON_INTEGER_CASES(TENON_KERNEL)
#undef TENON_KERNEL
    default:
      return nullptr;
  }
}

template <class Op>
ArrayFn IntegerUnary(uint32_t dtype) {
  switch (dtype) {
#define TENON_KERNEL(T) Unary<Op, T>
    TENON_INTEGER_CASES(TENON_KERNEL)
#undef TENON_KERNEL
    default:
      return nullptr;
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tenon_cpu
HWY_AFTER_NAMESPACE();
#endif  // toggle
