// What the reducers share: states, vectors of a fixed number of lanes, extremes, sums. Included
// once per target.
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

// ---- lanes: eight elements side by side, in a fixed number whatever the processor, so the order
// is the same ----

inline constexpr int64_t kLanes = 8;
template <class T>
struct LanesOf {
  typedef T Type __attribute__((vector_size(kLanes * sizeof(T)), aligned(alignof(T)), may_alias));
};
template <class T>
using Lanes = typename LanesOf<T>::Type;

template <class C, class T>
TENON_INLINE void Load(Lanes<C>& to, const T* from) {
#if defined(__x86_64__) && HWY_TARGET == HWY_AVX3
  if constexpr (std::is_same_v<C, double> && std::is_same_v<T, float>) {
    // One instruction where the compiler takes five. All lanes by a mask: GCC 12 warns of the
    // other's own header.
    const __m512d wide = _mm512_maskz_cvtps_pd(0xff, _mm256_loadu_ps(from));
    std::memcpy(&to, &wide, sizeof to);
    return;
  }
#endif
  to = __builtin_convertvector(*reinterpret_cast<const Lanes<T>*>(from), Lanes<C>);
}

template <bool kMax, class C>
TENON_INLINE C Better(C a, C b) {
  if constexpr (kMax)
    return Max::Do(a, b);
  else
    return Min::Do(a, b);
}

// The extreme of an array; for floats NaN if there is one.
template <bool kMax, class T>
TENON_INLINE T Extreme(const T* x, int64_t n) {
  T best = x[0];
  int64_t i = 0;
  if constexpr (kFloat<T>) {
    if (n >= 4 * kLanes) {
      Lanes<T> m[4];
      decltype(m[0] != m[0]) bad[4];
      for (int k = 0; k < 4; ++k) {
        m[k] = *reinterpret_cast<const Lanes<T>*>(x + kLanes * k);
        bad[k] = m[k] != m[k];
      }
      for (i = 4 * kLanes; i + 4 * kLanes <= n; i += 4 * kLanes) {
        for (int k = 0; k < 4; ++k) {
          const Lanes<T> v = *reinterpret_cast<const Lanes<T>*>(x + i + kLanes * k);
          bad[k] |= v != v;
          if constexpr (kMax)
            m[k] = v > m[k] ? v : m[k];
          else
            m[k] = v < m[k] ? v : m[k];
        }
      }
      for (int k = 0; k < 4; ++k) {
        for (int j = 0; j < kLanes; ++j)
          best =
              bad[k][j] != 0 ? std::numeric_limits<T>::quiet_NaN() : Better<kMax, T>(best, m[k][j]);
      }
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

// Sum or product in 64 lanes; they are folded as a tree.
template <bool kProduct, class T>
TENON_INLINE double FoldFloats(const T* x, int64_t n) {
  constexpr double neutral = kProduct ? 1 : 0;
  if (n < kLanes) {  // too short for lanes to pay
    double folded = neutral;
    for (int64_t i = 0; i < n; ++i) {
      const double v = static_cast<double>(x[i]);
      folded = kProduct ? folded * v : folded + v;
    }
    return folded;
  }
  Lanes<double> acc[8];
  for (int k = 0; k < (n < 64 ? 1 : 8); ++k) acc[k] = Lanes<double>{} + neutral;
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    for (int k = 0; k < 8; ++k) {
      Lanes<double> v;
      Load<double>(v, x + i + kLanes * k);
      acc[k] = kProduct ? acc[k] * v : acc[k] + v;
    }
  }
  const bool whole = i > 0;
  for (; i + kLanes <= n; i += kLanes) {
    Lanes<double> v;
    Load<double>(v, x + i);
    acc[0] = kProduct ? acc[0] * v : acc[0] + v;
  }
  for (int width = whole ? 4 : 0; width > 0; width /= 2) {
    for (int k = 0; k < width; ++k)
      acc[k] = kProduct ? acc[k] * acc[k + width] : acc[k] + acc[k + width];
  }
  double lane[kLanes];
  std::memcpy(lane, &acc[0], sizeof lane);
  for (int64_t j = 0; i < n; ++i, ++j)
    lane[j] = kProduct ? lane[j] * static_cast<double>(x[i]) : lane[j] + static_cast<double>(x[i]);
  for (int width = 4; width > 0; width /= 2) {
    for (int k = 0; k < width; ++k)
      lane[k] = kProduct ? lane[k] * lane[k + width] : lane[k] + lane[k + width];
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

// The sum of (x - mean)^2.
template <class T>
TENON_INLINE double SquaredDeviations(const T* v, int64_t n, double mean) {
  Lanes<double> acc[4] = {};
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    for (int k = 0; k < 4; ++k) {
      Lanes<double> d;
      Load<double>(d, v + i + kLanes * k);
      d -= mean;
      acc[k] += d * d;
    }
  }
  acc[0] = (acc[0] + acc[1]) + (acc[2] + acc[3]);
  double sum = ((acc[0][0] + acc[0][1]) + (acc[0][2] + acc[0][3])) +
               ((acc[0][4] + acc[0][5]) + (acc[0][6] + acc[0][7]));
  for (; i < n; ++i) sum += (v[i] - mean) * (v[i] - mean);
  return sum;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tenon_cpu
HWY_AFTER_NAMESPACE();
#endif  // toggle
