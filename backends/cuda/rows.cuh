// softmax, cross entropy and layer norm: each row is read once where it fits into the registers of
// the lanes that share it (rows_launch.h), else once per pass. In the dialect of the prelude, so
// that the host's compiler reads it too (tests/cuda).
//
// f16 and bf16 compute in f32. Sums are kept in f64 and rounded once, in an order that depends on
// the row's length alone: the same bits every time.
#ifndef TENON_BACKENDS_CUDA_ROWS_CUH_
#define TENON_BACKENDS_CUDA_ROWS_CUH_

#include "backends/cuda/rows_launch.h"

#ifdef __CUDACC__
// The value of the work item whose number in the warp differs in the bits of `mask`.
#define SHUFFLE_XOR(value, mask) __shfl_xor_sync(0xffffffffu, value, mask)
// In a group. One group a processor: else ptxas spills registers to make room for more.
#define WORK_ITEMS(most) __launch_bounds__(most, 1)
#endif

namespace tenon_cuda {

// T in memory, W in registers.
#define TENON_ROW_FLOAT(DTYPE, MEMORY, WIDE, WIDEN, ROUND)   \
  struct Row_##DTYPE {                                       \
    using T = MEMORY;                                        \
    using W = WIDE;                                          \
    DEVICE W widen(T x) { return WIDEN(x); }                 \
    DEVICE T round(W x) { return static_cast<T>(ROUND(x)); } \
    DEVICE W least() { return least_##WIDE(); }              \
  };
TENON_ROW_FLOAT(f32, f32, f32, , )
TENON_ROW_FLOAT(f64, f64, f64, , )
TENON_ROW_FLOAT(f16, u16, f32, f16_to_f32, f32_to_f16)
TENON_ROW_FLOAT(bf16, u16, f32, bf16_to_f32, f32_to_bf16)

template <class T>
struct alignas(16) RowPack {
  T x[16 / sizeof(T)];
};

// A tier for a dtype.
template <class M_, int kLanes_, int kSlots_, bool kVectors_, bool kHeld_>
struct RowKind {
  using M = M_;
  using T = typename M::T;
  using W = typename M::W;
  static constexpr int kLanes = kLanes_, kSlots = kSlots_, kPack = 16 / sizeof(T);
  static constexpr bool kVectors = kVectors_, kHeld = kHeld_;
};

// A row, and which of the lanes that share it this work item is.
template <class R>
struct Row {
  const RowLaunch& launch;
  bool exists;  // else a copy of the last one, so that the lanes of a warp stay together
  i32 lane;
  i64 offsets[kRowOperands];  // of the row in each operand, in elements
};

template <class T, class R>
DEVICE T* start_of(const Row<R>& row, int operand) {
  return reinterpret_cast<T*>(row.launch.operands[operand].address) + row.offsets[operand];
}
template <class T, class R>
DEVICE T* element_at(const Row<R>& row, int operand, i64 element) {
  return start_of<T>(row, operand) + element * row.launch.operands[operand].stride;
}

// Elements of a row that this lane holds: the first `count` of its slots. With vectors, a pack of
// slots is neighbours in memory; else neighbouring lanes hold neighbours.
template <class R, int N>
struct Slots {
  typename R::W x[N][R::kSlots];  // of operands 0 .. N - 1
  i64 first;                      // of all lanes' slots
  i32 count;
};

template <class R, int N>
DEVICE i64 place(const Row<R>& row, const Slots<R, N>& own, int slot) {
  const int pack = slot / R::kPack, rest = slot % R::kPack;
  return own.first + (R::kVectors ? (pack * R::kLanes + row.lane) * R::kPack + rest
                                  : slot * R::kLanes + row.lane);
}

// Slots pack * kPack and on, of which the first is one of ours.
template <class R, int N>
DEVICE void load_pack(const Row<R>& row, const Slots<R, N>& own, int operand, int pack,
                      typename R::W* to) {
  using T = typename R::T;
  const int slot = pack * R::kPack;
  if constexpr (R::kVectors) {
    const auto from = *reinterpret_cast<const RowPack<T>*>(start_of<const T>(row, operand) +
                                                           place(row, own, slot));
#pragma unroll
    for (int k = 0; k < R::kPack; ++k) to[k] = R::M::widen(from.x[k]);
  } else {
#pragma unroll
    for (int k = 0; k < R::kPack; ++k) {
      to[k] = slot + k < own.count
                  ? R::M::widen(*element_at<const T>(row, operand, place(row, own, slot + k)))
                  : typename R::W(0);
    }
  }
}

template <class R, int N>
DEVICE void store_pack(const Row<R>& row, const Slots<R, N>& own, int operand, int pack,
                       const typename R::W* from) {
  using T = typename R::T;
  const int slot = pack * R::kPack;
  if (!row.exists) return;
  if constexpr (R::kVectors) {
    RowPack<T> to;
#pragma unroll
    for (int k = 0; k < R::kPack; ++k) to.x[k] = R::M::round(from[k]);
    *reinterpret_cast<RowPack<T>*>(start_of<T>(row, operand) + place(row, own, slot)) = to;
  } else {
#pragma unroll
    for (int k = 0; k < R::kPack; ++k) {
      if (slot + k < own.count)
        *element_at<T>(row, operand, place(row, own, slot + k)) = R::M::round(from[k]);
    }
  }
}

// A weight or a bias, if there is one.
template <class R, int N>
DEVICE void load_parameter(const Row<R>& row, const Slots<R, N>& own, int operand, int pack,
                           typename R::W otherwise, typename R::W* to) {
#pragma unroll
  for (int k = 0; k < R::kPack; ++k) to[k] = otherwise;
  if (row.launch.operands[operand].address != 0) load_pack(row, own, operand, pack, to);
}

// How many of the numbers lane, lane + lanes ... below `all` there are; at most `most`.
DEVICE i32 share(i64 all, i32 lane, i32 lanes, i32 most) {
  return all >= i64{most} * lanes ? most : (static_cast<i32>(all) - lane + lanes - 1) / lanes;
}

template <class R, int N>
DEVICE void load(const Row<R>& row, i64 first, Slots<R, N>& own) {
  const i64 left = row.launch.length - first;
  own.first = first;
  if constexpr (R::kVectors) {
    own.count = R::kPack * share(left / R::kPack, row.lane, R::kLanes, R::kSlots / R::kPack);
  } else {
    own.count = share(left, row.lane, R::kLanes, R::kSlots);
  }
#pragma unroll
  for (int pack = 0; pack < R::kSlots / R::kPack; ++pack) {
    if (pack * R::kPack >= own.count) continue;
#pragma unroll
    for (int n = 0; n < N; ++n) load_pack(row, own, n, pack, &own.x[n][pack * R::kPack]);
  }
}

// Once through the row: body(pack) for each of our packs, whose slots are loaded. What it leaves in
// them is there in the next pass only where the row is held.
template <class R, int N, class Body>
DEVICE void pass(const Row<R>& row, Slots<R, N>& own, Body body) {
  for (i64 first = 0; first < row.launch.length; first += R::kLanes * R::kSlots) {
    if constexpr (!R::kHeld) load(row, first, own);
#pragma unroll
    for (int pack = 0; pack < R::kSlots / R::kPack; ++pack) {
      if (pack * R::kPack < own.count) body(pack);
    }
    if constexpr (R::kHeld) break;
  }
}

template <class R, int N, class Body>
DEVICE void pass_slots(const Row<R>& row, Slots<R, N>& own, Body body) {
  pass(row, own, [&](int pack) {
#pragma unroll
    for (int k = 0; k < R::kPack; ++k) {
      if (pack * R::kPack + k < own.count) body(pack * R::kPack + k);
    }
  });
}

// Folds the lanes' values, in a fixed order; every lane gets the same. `shared`: one per warp.
template <class R, class V, class Fold>
DEVICE V reduce_in_group(V value, f64* shared, Fold fold) {
#pragma unroll
  for (int mask = (R::kLanes < 32 ? R::kLanes : 32) / 2; mask > 0; mask /= 2)
    value = fold(value, SHUFFLE_XOR(value, mask));
  if constexpr (R::kLanes > 32) {
    BARRIER();  // until all have read what the last call left there
    if (LOCAL_ID % 32 == 0) shared[LOCAL_ID / 32] = value;
    BARRIER();
    value = static_cast<V>(shared[0]);
    for (int warp = 1; warp < R::kLanes / 32; ++warp)
      value = fold(value, static_cast<V>(shared[warp]));
  }
  return value;
}

template <class R>
DEVICE f64 sum_of_lanes(f64 value, f64* shared) {
  return reduce_in_group<R>(value, shared, [](f64 a, f64 b) { return a + b; });
}

// NaN if there is one.
template <class W>
DEVICE W greater_of(W a, W b) {
  return a != a ? a : b != b ? b : a > b ? a : b;
}

// The greatest element, 0 where that is infinite.
template <class R, int N>
DEVICE typename R::W shift_of(const Row<R>& row, Slots<R, N>& own, f64* shared) {
  using W = typename R::W;
  W most = R::M::least();
  pass_slots(row, own, [&](int slot) { most = greater_of(most, own.x[0][slot]); });
  most = reduce_in_group<R>(most, shared, [](W a, W b) { return greater_of(a, b); });
  return most == most && most - most != 0 ? W(0) : most;
}

// Operands: x, y.
template <bool kLog>
struct Softmax {
  template <class R>
  DEVICE void run(const Row<R>& row, f64* shared) {
    using W = typename R::W;
    Slots<R, 1> own;
    load(row, 0, own);
    const W shift = shift_of(row, own, shared);
    f64 sum = 0;
    pass_slots(row, own, [&](int slot) {
      W& x = own.x[0][slot];
      const W shifted = x - shift, e = exp(shifted);
      sum += static_cast<f64>(e);
      x = kLog ? shifted : e;
    });
    const W total = static_cast<W>(sum_of_lanes<R>(sum, shared));
    const W log_total = kLog ? log(total) : W(0);
    pass(row, own, [&](int pack) {
      W* const x = &own.x[0][pack * R::kPack];
#pragma unroll
      for (int k = 0; k < R::kPack; ++k) {
        if constexpr (!R::kHeld) x[k] = kLog ? x[k] - shift : exp(x[k] - shift);
        x[k] = kLog ? x[k] - log_total : x[k] / total;
      }
      store_pack(row, own, 1, pack, x);
    });
  }
};

// Operands: y, g, dx.
template <bool kLog>
struct SoftmaxBackward {
  template <class R>
  DEVICE void run(const Row<R>& row, f64* shared) {
    using W = typename R::W;
    Slots<R, 2> own;
    load(row, 0, own);
    f64 sum = 0;
    pass_slots(row, own, [&](int slot) {
      const W y = own.x[0][slot], g = own.x[1][slot];
      sum += static_cast<f64>(kLog ? g : g * y);
    });
    const W total = static_cast<W>(sum_of_lanes<R>(sum, shared));
    pass(row, own, [&](int pack) {
      W* const y = &own.x[0][pack * R::kPack];
      const W* const g = &own.x[1][pack * R::kPack];
#pragma unroll
      for (int k = 0; k < R::kPack; ++k)
        y[k] = kLog ? g[k] - exp(y[k]) * total : y[k] * (g[k] - total);
      store_pack(row, own, 2, pack, y);
    });
  }
};

// Operands: x, target, loss, shift, sum of exp.
struct CrossEntropy {
  template <class R>
  DEVICE void run(const Row<R>& row, f64* shared) {
    using T = typename R::T;
    using W = typename R::W;
    Slots<R, 1> own;
    load(row, 0, own);
    const W shift = shift_of(row, own, shared);
    f64 sum = 0;
    pass_slots(row, own, [&](int slot) { sum += static_cast<f64>(exp(own.x[0][slot] - shift)); });
    const W total = static_cast<W>(sum_of_lanes<R>(sum, shared));
    if (!row.exists || row.lane != 0) return;
    const i64 target = row.launch.wide_targets != 0 ? *start_of<const i64>(row, 1)
                                                    : i64{*start_of<const i32>(row, 1)};
    W loss = log(total);
    if (target >= 0 && target < row.launch.length)
      loss -= R::M::widen(*element_at<const T>(row, 0, target)) - shift;
    *start_of<T>(row, 2) = R::M::round(loss);
    *start_of<T>(row, 3) = R::M::round(shift);
    *start_of<T>(row, 4) = R::M::round(total);
  }
};

// Operands: x, weight, bias, y, mean, rstd.
struct LayerNorm {
  template <class R>
  DEVICE void run(const Row<R>& row, f64* shared) {
    using W = typename R::W;
    Slots<R, 1> own;
    load(row, 0, own);
    const f64 length = static_cast<f64>(row.launch.length);
    f64 sum = 0, squares = 0;
    pass_slots(row, own, [&](int slot) { sum += static_cast<f64>(own.x[0][slot]); });
    const W mean = static_cast<W>(sum_of_lanes<R>(sum, shared) / length);
    pass_slots(row, own, [&](int slot) {
      const f64 d = static_cast<f64>(own.x[0][slot] - mean);
      squares += d * d;
    });
    const f64 variance = sum_of_lanes<R>(squares, shared) / length;
    const W rstd = static_cast<W>(1 / sqrt(variance + row.launch.eps));
    pass(row, own, [&](int pack) {
      W* const x = &own.x[0][pack * R::kPack];
      W weight[R::kPack], bias[R::kPack];
      load_parameter(row, own, 1, pack, W(1), weight);
      load_parameter(row, own, 2, pack, W(-0.0), bias);
#pragma unroll
      for (int k = 0; k < R::kPack; ++k) x[k] = (x[k] - mean) * rstd * weight[k] + bias[k];
      store_pack(row, own, 3, pack, x);
    });
    if (!row.exists || row.lane != 0) return;
    *start_of<W>(row, 4) = mean;
    *start_of<W>(row, 5) = rstd;
  }
};

// Operands: x, g, weight, mean, rstd, dx.
struct LayerNormBackward {
  template <class R>
  DEVICE void run(const Row<R>& row, f64* shared) {
    using W = typename R::W;
    Slots<R, 2> own;
    load(row, 0, own);
    const W mean = *start_of<const W>(row, 3), rstd = *start_of<const W>(row, 4);
    // x becomes n, g becomes h.
    const auto normalise = [&](int pack) {
      W weight[R::kPack];
      load_parameter(row, own, 2, pack, W(1), weight);
#pragma unroll
      for (int k = 0; k < R::kPack; ++k) {
        W &x = own.x[0][pack * R::kPack + k], &g = own.x[1][pack * R::kPack + k];
        x = (x - mean) * rstd;
        g = g * weight[k];
      }
    };
    f64 sum_h = 0, sum_hn = 0;
    pass(row, own, [&](int pack) {
      normalise(pack);
#pragma unroll
      for (int k = 0; k < R::kPack; ++k) {
        const int slot = pack * R::kPack + k;
        if (slot >= own.count) continue;
        sum_h += static_cast<f64>(own.x[1][slot]);
        sum_hn += static_cast<f64>(own.x[1][slot] * own.x[0][slot]);
      }
    });
    const f64 length = static_cast<f64>(row.launch.length);
    const W mean_h = static_cast<W>(sum_of_lanes<R>(sum_h, shared) / length),
            mean_hn = static_cast<W>(sum_of_lanes<R>(sum_hn, shared) / length);
    pass(row, own, [&](int pack) {
      if constexpr (!R::kHeld) normalise(pack);
      W* const n = &own.x[0][pack * R::kPack];
      const W* const h = &own.x[1][pack * R::kPack];
#pragma unroll
      for (int k = 0; k < R::kPack; ++k) n[k] = rstd * (h[k] - mean_h - n[k] * mean_hn);
      store_pack(row, own, 5, pack, n);
    });
  }
};

template <class R>
DEVICE void locate_row(const RowLaunch& launch, i64 number, Row<R>& row) {
#pragma unroll
  for (int k = 0; k < kRowOperands; ++k) row.offsets[k] = 0;
  for (int d = static_cast<int>(launch.rank) - 1; d >= 0; --d) {
    i64 position = number;
    if (d > 0) {
      const i64 size = launch.sizes[d];
      // 32-bit divisions are several times faster.
      const i64 rest = (number >> 31) == 0 && (size >> 31) == 0
                           ? i64{static_cast<u32>(number) / static_cast<u32>(size)}
                           : number / size;
      position = number - rest * size;
      number = rest;
    }
    for (int k = 0; k < kRowOperands; ++k)
      row.offsets[k] += position * launch.operands[k].strides[d];
  }
}

template <class Op, class R>
DEVICE void run_rows(const RowLaunch& launch, f64* shared) {
  const i64 together = LOCAL_SIZE / R::kLanes;
  for (i64 first = GROUP_ID * together; first < launch.rows; first += GROUP_COUNT * together) {
    const i64 number = first + LOCAL_ID / R::kLanes;
    Row<R> row = {launch, number < launch.rows, LOCAL_ID % R::kLanes, {}};
    locate_row(launch, row.exists ? number : launch.rows - 1, row);
    Op::run(row, shared);
  }
}

}  // namespace tenon_cuda

// The kernels: <operation>_<dtype>_<tier>.
#define TENON_ROW_DTYPES(X, NAME, ...)             \
  TENON_ROW_TIERS(X, NAME, f16, f32, __VA_ARGS__)  \
  TENON_ROW_TIERS(X, NAME, bf16, f32, __VA_ARGS__) \
  TENON_ROW_TIERS(X, NAME, f32, f32, __VA_ARGS__)  \
  TENON_ROW_TIERS(X, NAME, f64, f64, __VA_ARGS__)
#define TENON_ROW_KERNELS(X)                                       \
  TENON_ROW_DTYPES(X, softmax, Softmax<false>)                     \
  TENON_ROW_DTYPES(X, log_softmax, Softmax<true>)                  \
  TENON_ROW_DTYPES(X, softmax_backward, SoftmaxBackward<false>)    \
  TENON_ROW_DTYPES(X, log_softmax_backward, SoftmaxBackward<true>) \
  TENON_ROW_DTYPES(X, cross_entropy, CrossEntropy)                 \
  TENON_ROW_DTYPES(X, layer_norm, LayerNorm)                       \
  TENON_ROW_DTYPES(X, layer_norm_backward, LayerNormBackward)
#define TENON_ROW_KERNEL(TIER, LANES, SLOTS, SLOTS_F64, VECTORS, HELD, NAME, DTYPE, WIDE, ...) \
  KERNEL WORK_ITEMS(tenon_cuda::RowThreads(LANES))                                             \
      NAME##_##DTYPE##_##TIER(const tenon_cuda::RowLaunch launch) {                            \
    using R = tenon_cuda::RowKind<tenon_cuda::Row_##DTYPE, LANES,                              \
                                  sizeof(WIDE) == 8 ? SLOTS_F64 : SLOTS, VECTORS, HELD>;       \
    LOCAL f64 shared[LANES > 32 ? LANES / 32 : 1];                                             \
    tenon_cuda::run_rows<tenon_cuda::__VA_ARGS__, R>(launch, shared);                          \
  }
TENON_ROW_KERNELS(TENON_ROW_KERNEL)

#endif  // TENON_BACKENDS_CUDA_ROWS_CUH_
