// ARGMIN and ARGMAX: the least key among the elements with the least or greatest value; a NaN wins
// over every number.
#include "backends/cpu/arg_reduce_kernels.h"

#include "backends/cpu/targets.h"
#include "tenon/abi/tenon_backend.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/arg_reduce_kernels.cc"
#include "hwy/foreach_target.h"
// after foreach_target
#include "backends/cpu/lanes-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tenon_cpu {
namespace HWY_NAMESPACE {
namespace {

// Is v better than best; a NaN is better than any number.
template <bool kMax, class C>
TENON_INLINE bool Beats(C v, C best) {
  const bool beats = kMax ? v > best : v < best;
  if constexpr (kFloat<C>)
    return beats | ((v != v) & (best == best));
  else
    return beats;
}
template <class C>
TENON_INLINE bool Ties(C v, C best) {
  if constexpr (kFloat<C>)
    return (v == best) | ((v != v) & (best != best));
  else
    return v == best;
}

// The index of the first element that is `wanted`; there is one.
template <class T>
TENON_INLINE int64_t FirstTie(const T* x, int64_t n, T wanted) {
  using V = typename Vector<T>::Type;
  constexpr int64_t lanes = Vector<T>::kLanes;
  int64_t i = 0;
  for (const V all = V{} + wanted; i + 4 * lanes <= n; i += 4 * lanes) {
    decltype(all == all) hits = {};
    for (int k = 0; k < 4; ++k) hits |= *reinterpret_cast<const V*>(x + i + lanes * k) == all;
    uint64_t parts[kVectorBytes / 8], any = 0;
    std::memcpy(parts, &hits, sizeof parts);
    for (uint64_t part : parts) any |= part;
    if (any != 0) break;
  }
  if constexpr (kFloat<T>) {
    if (wanted != wanted) i = 0;  // a NaN is like no element
  }
  while (!Ties<T>(x[i], wanted)) ++i;
  return i;
}

// First the extreme, which is fast, and only where it matters the search for its key.
template <bool kMax, class T>
void ArgRow(Slot* state, const void* x, const Keys& keys, int64_t n) {
  using C = Wide<T>;
  const T* v = static_cast<const T*>(x);
  const T extreme = Extreme<kMax, T>(v, n);
  const C wide = static_cast<C>(extreme);
  const bool beats = Beats<kMax, C>(wide, In<C>(state[0]));
  if (!beats && !Ties<C>(wide, In<C>(state[0]))) return;
  if (!beats && keys.keys == nullptr && keys.step >= 0 && keys.first >= state[1].i)
    return;  // an earlier one has the least key
  int64_t key = beats ? std::numeric_limits<int64_t>::max() : state[1].i;
  if (keys.keys == nullptr && keys.step >= 0) {  // later keys are not smaller
    const int64_t candidate = keys.first + FirstTie<T>(v, n, extreme) * keys.step;
    key = candidate < key ? candidate : key;
  } else {
    for (int64_t i = 0; i < n; ++i) {
      if (!Ties<T>(v[i], extreme)) continue;
      const int64_t candidate = keys.keys != nullptr ? keys.keys[i] : keys.first + i * keys.step;
      key = candidate < key ? candidate : key;
    }
  }
  In<C>(state[0]) = wide;
  state[1].i = key;
}

template <bool kMax, class T>
void ArgColumns(Slot* const* slots, const void* x, int64_t row_stride, int64_t rows,
                const Keys& keys, int64_t n) {
  using C = Wide<T>;
  C* best = &In<C>(slots[0][0]);
  int64_t* best_key = &slots[1]->i;
  const char* row = static_cast<const char*>(x);
  for (int64_t r = 0; r < rows; ++r, row += row_stride) {
    const T* v = reinterpret_cast<const T*>(row);
    const auto loop = [&](auto key_of) {
      TENON_IVDEP
      for (int64_t j = 0; j < n; ++j) {
        const C value = static_cast<C>(v[j]);
        const C old = best[j];
        const int64_t old_key = best_key[j];
        const int64_t key = key_of(j);
        // One choice after the other, which the compiler turns into masks where conditions joined
        // by & become jumps.
        const int64_t least = key < old_key ? key : old_key;
        int64_t chosen = value == old ? least : old_key;
        if constexpr (kFloat<C>) {
          const C kept = old != old ? old : value;  // a NaN stays
          chosen = value != value ? (old != old ? least : key) : chosen;
          best[j] = (kMax ? old > kept : old < kept) ? old : kept;
          best_key[j] = (kMax ? value > old : value < old) ? key : chosen;
        } else {
          const bool beats = kMax ? value > old : value < old;
          best[j] = beats ? value : old;
          best_key[j] = beats ? key : chosen;
        }
      }
    };
    const int64_t first = keys.first + r * keys.row_step;
    if (keys.keys != nullptr)
      loop([&](int64_t j) { return keys.keys[j]; });
    else if (keys.step == 0)
      loop([first](int64_t) { return first; });
    else
      loop([first, step = keys.step](int64_t j) { return first + j * step; });
  }
}

template <bool kMax, class C>
void CombineArg(Slot* state, const Slot* later) {
  Slot other = later[0];
  const C v = In<C>(other);
  const C old = In<C>(state[0]);
  if (Beats<kMax, C>(v, old) || (Ties<C>(v, old) && later[1].i < state[1].i)) {
    state[0] = later[0];
    state[1] = later[1];
  }
}

template <bool kMax, class T>
bool Set(ReduceFns& fns) {
  using C = Wide<T>;
  fns.row = &ArgRow<kMax, T>;
  fns.column = &ArgColumns<kMax, T>;
  fns.combine = &CombineArg<kMax, C>;
  fns.slots = 2;
  In<C>(fns.initial[0]) = Worst<kMax, C>();
  fns.initial[1].i = std::numeric_limits<int64_t>::max();
  return true;
}

template <class T>
bool SetKind(uint32_t kind, ReduceFns& fns) {
  return kind == TENON_ARGMAX ? Set<true, T>(fns) : Set<false, T>(fns);
}

}  // namespace

bool SetArgReducer(uint32_t kind, ReduceFns* fns) {
  switch (fns->load) {
    case TENON_BOOL:
    case TENON_U8:
      return SetKind<uint8_t>(kind, *fns);
    case TENON_I8:
      return SetKind<int8_t>(kind, *fns);
    case TENON_U16:
      return SetKind<uint16_t>(kind, *fns);
    case TENON_I16:
      return SetKind<int16_t>(kind, *fns);
    case TENON_U32:
      return SetKind<uint32_t>(kind, *fns);
    case TENON_I32:
      return SetKind<int32_t>(kind, *fns);
    case TENON_U64:
      return SetKind<uint64_t>(kind, *fns);
    case TENON_I64:
      return SetKind<int64_t>(kind, *fns);
    case TENON_F32:
      return SetKind<float>(kind, *fns);
    case TENON_F64:
      return SetKind<double>(kind, *fns);
    default:
      return false;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tenon_cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon_cpu {
bool FindArgReducer(uint32_t kind, ReduceFns* fns) {
  return TENON_BEST_TARGET(SetArgReducer)(kind, fns);
}
}  // namespace tenon_cpu
#endif
