#include "backends/cpu/reduce_kernels.h"

#include "backends/cpu/arg_reduce_kernels.h"
#include "backends/cpu/targets.h"
#include "tenon/abi/tenon_plugin_kit.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/reduce_kernels.cc"
#include "hwy/foreach_target.h"
// after foreach_target
#include "backends/cpu/lanes-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tenon_cpu {
namespace HWY_NAMESPACE {
namespace {

template <class T>
void SumRow(Slot* state, const void* x, const Keys&, int64_t n) {
  const T* v = static_cast<const T*>(x);
  if constexpr (kFloat<T>) {
    AddCompensated(state[0].f, state[1].f, FoldFloats<Fold::kSum>(v, n));
  } else {
    uint64_t sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += static_cast<uint64_t>(static_cast<Wide<T>>(v[i]));
    state[0].u += sum;
  }
}

template <class T>
void FloatSumColumns(Slot* const* slots, const void* x, int64_t row_stride, int64_t rows,
                     const Keys&, int64_t n) {
  const char* row = static_cast<const char*>(x);
  double* sum = &slots[0]->f;
  double* lost = &slots[1]->f;
  for (; rows >= 4; rows -= 4, row += 4 * row_stride) {
    const T* a = reinterpret_cast<const T*>(row);
    const T* b = reinterpret_cast<const T*>(row + row_stride);
    const T* c = reinterpret_cast<const T*>(row + 2 * row_stride);
    const T* d = reinterpret_cast<const T*>(row + 3 * row_stride);
    TENON_IVDEP
    for (int64_t j = 0; j < n; ++j) {
      const double four = (double(a[j]) + double(b[j])) + (double(c[j]) + double(d[j]));
      if constexpr (sizeof(T) == 8)
        AddCompensated(sum[j], lost[j], four);
      else
        sum[j] += four;
    }
  }
  for (; rows > 0; --rows, row += row_stride) {
    const T* a = reinterpret_cast<const T*>(row);
    TENON_IVDEP
    for (int64_t j = 0; j < n; ++j) {
      if constexpr (sizeof(T) == 8)
        AddCompensated(sum[j], lost[j], a[j]);
      else
        sum[j] += double(a[j]);
    }
  }
}
template <class T>
struct IntSumStep {
  using State = uint64_t;
  static TENON_INLINE void Do(uint64_t& s, T v) {
    s += static_cast<uint64_t>(static_cast<Wide<T>>(v));
  }
};

void CombineSum(Slot* state, const Slot* later) {
  AddCompensated(state[0].f, state[1].f, later[0].f);
  state[1].f += later[1].f;
}
void CombineIntSum(Slot* state, const Slot* later) { state[0].u += later[0].u; }

template <class T>
void ProductRow(Slot* state, const void* x, const Keys&, int64_t n) {
  const T* v = static_cast<const T*>(x);
  if constexpr (kFloat<T>) {
    state[0].f *= FoldFloats<Fold::kProduct>(v, n);
  } else {
    uint64_t product = 1;
    for (int64_t i = 0; i < n; ++i) product *= static_cast<uint64_t>(static_cast<Wide<T>>(v[i]));
    state[0].u *= product;
  }
}
template <class T>
struct ProductStep {
  using State = std::conditional_t<kFloat<T>, double, uint64_t>;
  static TENON_INLINE void Do(State& s, T v) { s *= static_cast<State>(static_cast<Wide<T>>(v)); }
};
void CombineProduct(Slot* state, const Slot* later) { state[0].f *= later[0].f; }
void CombineIntProduct(Slot* state, const Slot* later) { state[0].u *= later[0].u; }

// Every reducer with one slot and no keys has this loop over columns.
template <class Step, class T>
void StepColumns(Slot* const* slots, const void* x, int64_t row_stride, int64_t rows, const Keys&,
                 int64_t n) {
  const char* row = static_cast<const char*>(x);
  using State = typename Step::State;
  State* const state = &In<State>(slots[0][0]);
  // Four rows at a time: the states are read and written once for them.
  for (; rows >= 4; rows -= 4, row += 4 * row_stride) {
    const T* a = reinterpret_cast<const T*>(row);
    const T* b = reinterpret_cast<const T*>(row + row_stride);
    const T* c = reinterpret_cast<const T*>(row + 2 * row_stride);
    const T* d = reinterpret_cast<const T*>(row + 3 * row_stride);
    TENON_IVDEP
    for (int64_t j = 0; j < n; ++j) {
      State s = state[j];
      Step::Do(s, a[j]);
      Step::Do(s, b[j]);
      Step::Do(s, c[j]);
      Step::Do(s, d[j]);
      state[j] = s;
    }
  }
  for (; rows > 0; --rows, row += row_stride) {
    const T* a = reinterpret_cast<const T*>(row);
    TENON_IVDEP
    for (int64_t j = 0; j < n; ++j) Step::Do(state[j], a[j]);
  }
}

template <bool kMax, class T>
void ExtremeRow(Slot* state, const void* x, const Keys&, int64_t n) {
  using C = Wide<T>;
  C& best = In<C>(state[0]);
  best = Better<kMax, C>(best, static_cast<C>(Extreme<kMax, T>(static_cast<const T*>(x), n)));
}
template <bool kMax, class T>
struct ExtremeStep {
  using State = Wide<T>;
  static TENON_INLINE void Do(State& s, T v) { s = Better<kMax, State>(s, static_cast<State>(v)); }
};
template <bool kMax, class C>
void CombineExtreme(Slot* state, const Slot* later) {
  Slot other = later[0];
  In<C>(state[0]) = Better<kMax, C>(In<C>(state[0]), In<C>(other));
}

void AnyRow(Slot* state, const void* x, const Keys&, int64_t n) {
  const uint8_t* v = static_cast<const uint8_t*>(x);
  uint8_t any = 0;
  for (int64_t i = 0; i < n; ++i) any |= v[i];
  state[0].u |= any != 0;
}
void AllRow(Slot* state, const void* x, const Keys&, int64_t n) {
  const uint8_t* v = static_cast<const uint8_t*>(x);
  uint8_t none = 0;
  for (int64_t i = 0; i < n; ++i) none |= v[i] == 0;
  state[0].u &= none == 0;
}
struct AnyStep {
  using State = uint64_t;
  static TENON_INLINE void Do(uint64_t& s, uint8_t v) { s |= v != 0; }
};
struct AllStep {
  using State = uint64_t;
  static TENON_INLINE void Do(uint64_t& s, uint8_t v) { s &= v != 0; }
};
void CombineAny(Slot* state, const Slot* later) { state[0].u |= later[0].u; }
void CombineAll(Slot* state, const Slot* later) { state[0].u &= later[0].u; }

// Chan, Golub and LeVeque 1979: joins the moments of two sets.
void CombineMoments(Slot* state, const Slot* later) {
  const double na = state[0].f, nb = later[0].f;
  if (nb == 0) return;
  const double n = na + nb;
  const double delta = later[1].f - state[1].f;
  state[2].f += later[2].f + delta * delta * (na * nb / n);
  state[1].f += delta * (nb / n);
  state[0].f = n;
}

// Two passes over a block in the cache, then joined.
template <class T>
void MomentsRow(Slot* state, const void* x, const Keys&, int64_t n) {
  const T* v = static_cast<const T*>(x);
  Slot block[kSlots];
  block[0].f = static_cast<double>(n);
  block[1].f = FoldFloats<Fold::kSum>(v, n) / static_cast<double>(n);
  block[2].f = FoldFloats<Fold::kSquaredDeviations>(v, n, block[1].f);
  CombineMoments(state, block);
}

// Welford 1962, a column each; all columns have seen the same number of rows.
template <class T>
void MomentsColumns(Slot* const* slots, const void* x, int64_t row_stride, int64_t rows,
                    const Keys&, int64_t n) {
  const char* row = static_cast<const char*>(x);
  double count = slots[0]->f;
  double* mean = &slots[1]->f;
  double* squares = &slots[2]->f;
  for (; rows >= 4; rows -= 4, row += 4 * row_stride) {
    const T* v[4];
    double weight[4];
    for (int r = 0; r < 4; ++r) {
      v[r] = reinterpret_cast<const T*>(row + r * row_stride);
      count += 1;
      weight[r] = 1 / count;
    }
    TENON_IVDEP
    for (int64_t j = 0; j < n; ++j) {
      double m = mean[j], q = squares[j];
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) {
        const double delta = v[r][j] - m;
        m += delta * weight[r];
        q += delta * (v[r][j] - m);
      }
      mean[j] = m;
      squares[j] = q;
    }
  }
  for (; rows > 0; --rows, row += row_stride) {
    const T* v = reinterpret_cast<const T*>(row);
    count += 1;
    const double weight = 1 / count;
    TENON_IVDEP
    for (int64_t j = 0; j < n; ++j) {
      const double delta = v[j] - mean[j];
      mean[j] += delta * weight;
      squares[j] += delta * (v[j] - mean[j]);
    }
  }
  for (int64_t j = 0; j < n; ++j) slots[0][j].f = count;
}

template <bool kMax, class T>
void SetExtreme(ReduceFns& fns) {
  using C = Wide<T>;
  fns.row = &ExtremeRow<kMax, T>;
  fns.column = &StepColumns<ExtremeStep<kMax, T>, T>;
  fns.combine = &CombineExtreme<kMax, C>;
  In<C>(fns.initial[0]) = Worst<kMax, C>();
}

template <class T>
bool SetFns(uint32_t kind, ReduceFns& fns) {
  switch (kind) {
    case TENON_SUM:
      fns.row = &SumRow<T>;
      if constexpr (kFloat<T>)
        fns.column = &FloatSumColumns<T>;
      else
        fns.column = &StepColumns<IntSumStep<T>, T>;
      fns.combine = kFloat<T> ? &CombineSum : &CombineIntSum;
      fns.slots = kFloat<T> ? 2 : 1;
      return true;
    case TENON_PROD:
      fns.row = &ProductRow<T>;
      fns.column = &StepColumns<ProductStep<T>, T>;
      fns.combine = kFloat<T> ? &CombineProduct : &CombineIntProduct;
      if constexpr (kFloat<T>)
        fns.initial[0].f = 1;
      else
        fns.initial[0].u = 1;
      return true;
    case TENON_MIN:
      SetExtreme<false, T>(fns);
      return true;
    case TENON_MAX:
      SetExtreme<true, T>(fns);
      return true;
    case TENON_MOMENTS:
      if constexpr (kFloat<T>) {
        fns.row = &MomentsRow<T>;
        fns.column = &MomentsColumns<T>;
        fns.combine = &CombineMoments;
        fns.slots = 3;
        return true;
      }
      return false;
    default:
      return false;
  }
}

}  // namespace

// `fns.load` says what the values are.
bool SetReducer(uint32_t kind, ReduceFns* fns) {
  if (kind == TENON_ANY || kind == TENON_ALL) {
    fns->row = kind == TENON_ANY ? &AnyRow : &AllRow;
    fns->column =
        kind == TENON_ANY ? &StepColumns<AnyStep, uint8_t> : &StepColumns<AllStep, uint8_t>;
    fns->combine = kind == TENON_ANY ? &CombineAny : &CombineAll;
    fns->initial[0].u = kind == TENON_ALL;
    return true;
  }
  switch (fns->load) {
    case TENON_BOOL:
    case TENON_U8:
      return SetFns<uint8_t>(kind, *fns);
    case TENON_I8:
      return SetFns<int8_t>(kind, *fns);
    case TENON_U16:
      return SetFns<uint16_t>(kind, *fns);
    case TENON_I16:
      return SetFns<int16_t>(kind, *fns);
    case TENON_U32:
      return SetFns<uint32_t>(kind, *fns);
    case TENON_I32:
      return SetFns<int32_t>(kind, *fns);
    case TENON_U64:
      return SetFns<uint64_t>(kind, *fns);
    case TENON_I64:
      return SetFns<int64_t>(kind, *fns);
    case TENON_F32:
      return SetFns<float>(kind, *fns);
    case TENON_F64:
      return SetFns<double>(kind, *fns);
    default:
      return false;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tenon_cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon_cpu {

bool FindReducer(uint32_t kind, uint32_t dtype, uint32_t acc_dtype, ReduceFns* fns) {
  const bool is_float = tenon_dtype_is_float(dtype);
  const bool float_acc = tenon_dtype_is_float(acc_dtype);
  const bool is_arg = kind == TENON_ARGMIN || kind == TENON_ARGMAX;
  fns->load = dtype == TENON_F16 || dtype == TENON_BF16 ? static_cast<uint32_t>(TENON_F32) : dtype;
  switch (kind) {
    case TENON_SUM:
    case TENON_PROD:
      if (is_float && !float_acc) return false;
      if (!is_float && float_acc) fns->load = TENON_F64;
      break;
    case TENON_MIN:
    case TENON_MAX:
      if (is_float != float_acc) return false;
      break;
    case TENON_ANY:
    case TENON_ALL:
      if (dtype != TENON_BOOL || acc_dtype != TENON_BOOL) return false;
      break;
    case TENON_ARGMIN:
    case TENON_ARGMAX:
      if (acc_dtype != TENON_I64) return false;
      break;
    case TENON_MOMENTS:
      if (!float_acc) return false;
      if (!is_float) fns->load = TENON_F64;
      break;
    default:
      return false;
  }
  const bool wide_float = tenon_dtype_is_float(fns->load);
  fns->result = is_arg                             ? static_cast<uint32_t>(TENON_I64)
                : wide_float                       ? static_cast<uint32_t>(TENON_F64)
                : tenon_dtype_is_signed(fns->load) ? static_cast<uint32_t>(TENON_I64)
                                                   : static_cast<uint32_t>(TENON_U64);
  if (is_arg) return FindArgReducer(kind, fns);
  return TENON_BEST_TARGET(SetReducer)(kind, fns);
}

}  // namespace tenon_cpu
#endif
