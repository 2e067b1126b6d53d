// What the reducers share: states, extremes, sums in a fixed order. Included once per target.
#include <cstring>
#include <limits>

#include "backends/cpu/reduce_kernels.h"
#include "backends/cpu/scalar_ops.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(TENON_BACKENDS_CPU_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TENON_BACKENDS_CPU_LANES_INL_H_
#undef TENON_BACKENDS_CPU_LANES_INL_H_
#else
#define TENON_BACKENDS_CPU_LANES_INL_H_
#endif

#include "backends/cpu/vectors-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tenon_cpu {
namespace HWY_NAMESPACE {
namespace {

// The type that a state holds for elements of type T.
template <class T>
using Wide = std::conditional_t<kFloat<T>, double,
                                std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>;

template <class C>
TENON_INLINE C& In(Slot& slot) {
  if constexpr (std::is_same_v<C, double>)
    return slot.f;
  else if constexpr (std::is_same_v<C, int64_t>)
    return slot.i;
  else
    return slot.u;
}

// Doubles from as many floats or doubles.
template <class T>
TENON_INLINE void Load(Vector<double>::Type& to, const T* from) {
#if defined(__x86_64__) && HWY_TARGET == HWY_AVX3
  if constexpr (std::is_same_v<T, float>) {
    // One instruction where the compiler takes five. All lanes by a mask: GCC 12 warns of the
    // other's own header.
    const __m512d wide = _mm512_maskz_cvtps_pd(0xff, _mm256_loadu_ps(from));
    std::memcpy(&to, &wide, sizeof to);
    return;
  }
#endif
  typedef T Narrow __attribute__((vector_size(Vector<double>::kLanes * sizeof(T)),
                                  aligned(alignof(T)), may_alias));
  to = __builtin_convertvector(*reinterpret_cast<const Narrow*>(from), Vector<double>::Type);
}

template <bool kMax, class C>
TENON_INLINE C Better(C a, C b) {
  if constexpr (kMax)
    return Max::Do(a, b);
  else
    return Min::Do(a, b);
}

// The extreme of an array; for floats NaN if there is one. Element i of a block meets the others of
// lane i % (128 bytes), and the lanes are folded by halves, so that of zeros of both signs all
// processors choose the same.
template <bool kMax, class T>
TENON_INLINE T Extreme(const T* x, int64_t n) {
  T best = x[0];
  int64_t i = 0;
  if constexpr (kFloat<T>) {
    using V = typename Vector<T>::Type;
    constexpr int64_t lanes = Vector<T>::kLanes;
    constexpr int vectors = 128 / kVectorBytes;
    if (n >= vectors * lanes) {
      V m[vectors];
      decltype(m[0] != m[0]) bad = {};
      for (int k = 0; k < vectors; ++k) {
        m[k] = *reinterpret_cast<const V*>(x + lanes * k);
        bad |= m[k] != m[k];
      }
      for (i = vectors * lanes; i + vectors * lanes <= n; i += vectors * lanes) {
        decltype(bad) here = {};
        for (int k = 0; k < vectors; ++k) {
          const V v = *reinterpret_cast<const V*>(x + i + lanes * k);
          here |= v != v;
          if constexpr (kMax)
            m[k] = v > m[k] ? v : m[k];
          else
            m[k] = v < m[k] ? v : m[k];
        }
        bad |= here;
      }
      for (int width = vectors / 2; width > 0; width /= 2) {
        for (int k = 0; k < width; ++k) {
          if constexpr (kMax)
            m[k] = m[k + width] > m[k] ? m[k + width] : m[k];
          else
            m[k] = m[k + width] < m[k] ? m[k + width] : m[k];
        }
      }
      T lane[lanes];
      std::memcpy(lane, &m[0], sizeof lane);
      for (int64_t width = lanes / 2; width > 0; width /= 2) {
        for (int64_t j = 0; j < width; ++j) {
          const T other = lane[j + width];
          lane[j] = (kMax ? other > lane[j] : other < lane[j]) ? other : lane[j];
        }
      }
      uint64_t parts[kVectorBytes / 8], any = 0;
      std::memcpy(parts, &bad, sizeof parts);
      for (uint64_t part : parts) any |= part;
      if (any != 0) return std::numeric_limits<T>::quiet_NaN();
      best = lane[0];
    }
    for (; i < n; ++i) best = Better<kMax, T>(best, x[i]);
  } else {
    for (; i < n; ++i) best = Better<kMax, T>(best, x[i]);
  }
  return best;
}

// What every element beats or ties with.
template <bool kMax, class C>
TENON_INLINE C Worst() {
  using Limits = std::numeric_limits<C>;
  if constexpr (kFloat<C>)
    return kMax ? -Limits::infinity() : Limits::infinity();
  else
    return kMax ? Limits::min() : Limits::max();
}

enum class Fold { kSum, kProduct, kSquaredDeviations };  // the last: the sum of (x - mean)^2

template <Fold kFold>
inline constexpr double kNeutral = kFold == Fold::kProduct ? 1 : 0;

// A total with x taken in; numbers or vectors of them, by value: behind a deduced reference clang
// forgets that a vector's alignment is that of one element.
template <Fold kFold, class V>
TENON_INLINE V Taken(V total, V x, double mean) {
  if constexpr (kFold == Fold::kProduct)
    return total * x;
  else if constexpr (kFold == Fold::kSum)
    return total + x;
  else
    return total + (x - mean) * (x - mean);
}

// The order is the same on every processor: 64 totals, folded as a tree into eight and those into
// one. What does not fit into the registers waits: with vectors of four the loops run first over
// lanes 0 to 3 of every eight, then over 4 to 7, of a block that is in the first-level cache.
template <Fold kFold, class T>
TENON_INLINE double FoldFloats(const T* x, int64_t n, double mean = 0) {
  using Doubles = Vector<double>::Type;
  constexpr bool product = kFold == Fold::kProduct;
  constexpr int64_t lanes = 8;
  if (n < lanes) {  // too short for lanes to pay
    double total = kNeutral<kFold>;
    for (int64_t i = 0; i < n; ++i) total = Taken<kFold>(total, static_cast<double>(x[i]), mean);
    return total;
  }
  double lane[lanes];
  int64_t i = 0;
  for (int64_t first = 0; first < lanes; first += Vector<double>::kLanes) {
    Doubles total[8], v;
    for (int k = 0; k < (n < 64 ? 1 : 8); ++k) total[k] = Doubles{} + kNeutral<kFold>;
    for (i = 0; i + 64 <= n; i += 64) {
      for (int k = 0; k < 8; ++k) {
        Load(v, x + i + lanes * k + first);
        total[k] = Taken<kFold>(total[k], v, mean);
      }
    }
    const bool whole = i > 0;
    for (; i + lanes <= n; i += lanes) {
      Load(v, x + i + first);
      total[0] = Taken<kFold>(total[0], v, mean);
    }
    for (int width = whole ? 4 : 0; width > 0; width /= 2) {
      for (int k = 0; k < width; ++k)
        total[k] = product ? total[k] * total[k + width] : total[k] + total[k + width];
    }
    std::memcpy(lane + first, &total[0], sizeof total[0]);
  }
  for (int64_t j = 0; i < n; ++i, ++j)
    lane[j] = Taken<kFold>(lane[j], static_cast<double>(x[i]), mean);
  for (int width = 4; width > 0; width /= 2) {
    for (int k = 0; k < width; ++k)
      lane[k] = product ? lane[k] * lane[k + width] : lane[k] + lane[k + width];
  }
  return lane[0];
}

// Knuth's TwoSum: the slots hold the sum and what all its roundings lost.
TENON_INLINE void AddCompensated(double& sum, double& lost, double x) {
  const double s = sum + x;
  const double part = s - sum;
  lost += (sum - (s - part)) + (x - part);
  sum = s;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tenon_cpu
HWY_AFTER_NAMESPACE();
#endif  // toggle
