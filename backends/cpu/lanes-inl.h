// What the reducers share: states, vectors of a fixed number of lanes, extremes. Included once per
// target.
#include <cstring>
#include <limits>

#include "backends/cpu/reduce_kernels.h"
#include "backends/cpu/scalar_ops.h"

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

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tenon_cpu
HWY_AFTER_NAMESPACE();
#endif  // toggle
