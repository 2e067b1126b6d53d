// gather, and scatter that gives the same bits every time. In the dialect of the prelude, so that
// the host's compiler reads it too (tests/cuda).
//
// Scatter, ASSIGN: `mark` leaves for each place the last entry that names it, `assign` lets that
// one write. ADD: the entries are sorted by the place they name, stably (`keys`, `sort_*`); `add`
// sums runs of equal keys within tiles of fixed size, `add_carried` runs that cross tiles, from
// left to right. Nothing depends on the order in which blocks run.
#ifndef TENON_BACKENDS_CUDA_INDEXING_CUH_
#define TENON_BACKENDS_CUDA_INDEXING_CUH_

#include "backends/cuda/indexing_launch.h"

#ifdef __CUDACC__
#define ATOMIC_ADD(p, v) atomicAdd(p, v)
#define ATOMIC_MAX(p, v) atomicMax(p, v)
#define ATOMIC_SWAP_IF(p, old, v) atomicCAS(p, old, v)  // gives what was there
#endif

namespace tenon_cuda {

template <class T>
DEVICE T* at(u64 address, i64 element) {
  return reinterpret_cast<T*>(address) + element;
}

// Element number i of the walked tensor.
struct Position {
  i64 walked, chosen, index, in_index, along, slot;  // chosen, slot: without the index's part
};

DEVICE Position locate(const IndexLaunch& launch, i64 i) {
  Position p = {0, 0, 0, 0, 0, 0};
  for (int d = static_cast<int>(launch.rank) - 1; d >= 0; --d) {
    const IndexAxis axis = launch.axes[d];
    i64 position = 0;
    if ((i >> 31) == 0 && (axis.size >> 31) == 0) {  // 32-bit divisions are several times faster
      const u32 size = static_cast<u32>(axis.size), quotient = static_cast<u32>(i) / size;
      position = static_cast<i64>(static_cast<u32>(i) - quotient * size);
      i = quotient;
    } else {
      position = i % axis.size;
      i /= axis.size;
    }
    p.walked += position * axis.walked;
    p.chosen += position * axis.chosen;
    p.index += position * axis.index;
    p.in_index += position * axis.position;
    p.slot += position * axis.slot;
    if (d == static_cast<int>(launch.axis)) p.along = position;
  }
  return p;
}

// The index at a position: in range, and from the front. The least wrong position is kept.
DEVICE i64 choose(const IndexLaunch& launch, const Position& p) {
  const i64 raw = launch.wide_index != 0 ? *at<const i64>(launch.index, p.index)
                                         : i64{*at<const i32>(launch.index, p.index)};
  const i64 chosen = raw < 0 ? raw + launch.bound : raw;
  if (chosen >= 0 && chosen < launch.bound) return chosen;
  u64* const wrong = at<u64>(launch.out_of_range, 0);
  const u64 own = static_cast<u64>(p.in_index) + 1;
  u64 seen = 0;
  while (seen == 0 || own < seen) {
    const u64 was = ATOMIC_SWAP_IF(wrong, seen, own);
    if (was == seen) break;
    seen = was;
  }
  return chosen < 0 ? 0 : launch.bound - 1;
}

template <class T>
DEVICE void gather(const IndexLaunch& launch) {
  for (i64 i = GLOBAL_ID; i < launch.count; i += GLOBAL_SIZE) {
    const Position p = locate(launch, i);
    *at<T>(launch.walked, p.walked) =
        *at<const T>(launch.chosen, p.chosen + choose(launch, p) * launch.step);
  }
}

// Entry number e of the index, as an element of the walked tensor at the first of its lanes.
DEVICE Position locate_entry(const ScatterLaunch& launch, i64 e) {
  if (launch.lanes == 1) return locate(launch.index, e);
  const IndexAxis axis = launch.index.axes[launch.index.axis];
  return {e * axis.walked, 0, e * axis.index, e * axis.position, e, 0};
}

DEVICE void mark(const ScatterLaunch& launch) {
  for (i64 e = GLOBAL_ID; e < launch.entries; e += GLOBAL_SIZE) {
    const Position p = locate_entry(launch, e);
    const i64 slot = p.slot + choose(launch.index, p);
    ATOMIC_MAX(at<u32>(launch.winners, slot), static_cast<u32>(p.along + 1));
  }
}

template <class T>
DEVICE void assign(const ScatterLaunch& launch) {
  for (i64 i = GLOBAL_ID; i < launch.index.count; i += GLOBAL_SIZE) {
    const Position p = locate(launch.index, i);
    const i64 chosen = choose(launch.index, p);
    if (*at<const u32>(launch.winners, p.slot + chosen) != static_cast<u32>(p.along + 1)) continue;
    *at<T>(launch.index.chosen, p.chosen + chosen * launch.index.step) =
        *at<const T>(launch.index.walked, p.walked);
  }
}

DEVICE void keys(const ScatterLaunch& launch) {
  for (i64 e = GLOBAL_ID; e < launch.entries; e += GLOBAL_SIZE) {
    const Position p = locate_entry(launch, e);
    *at<u32>(launch.keys, e) = static_cast<u32>(p.slot + choose(launch.index, p));
    *at<u32>(launch.numbers, e) = static_cast<u32>(e);
  }
}

// ---- stable sort by a 4-bit digit: count per block, scan over digits and blocks, move ----

DEVICE u32 digit_of(const SortLaunch& launch, i64 e) {
  return *at<const u32>(launch.keys, e) >> launch.shift & (kSortDigits - 1);
}

DEVICE void sort_count(const SortLaunch& launch, u32* counts) {
  for (i64 block = GROUP_ID; block < launch.blocks; block += GROUP_COUNT) {
    if (LOCAL_ID < kSortDigits) counts[LOCAL_ID] = 0;
    BARRIER();
    const i64 first = (block * LOCAL_SIZE + LOCAL_ID) * kSortItems;
    for (i64 e = first; e < first + kSortItems && e < launch.entries; ++e)
      ATOMIC_ADD(&counts[digit_of(launch, e)], 1u);
    BARRIER();
    if (LOCAL_ID < kSortDigits)
      *at<u32>(launch.counts, LOCAL_ID * launch.blocks + block) = counts[LOCAL_ID];
    BARRIER();
  }
}

// One group: the counts become what comes before them.
DEVICE void sort_scan(const SortLaunch& launch, u32* sums) {
  const i64 all = launch.blocks * kSortDigits, share = (all + LOCAL_SIZE - 1) / LOCAL_SIZE;
  const i64 begin = LOCAL_ID * share, end = begin + share < all ? begin + share : all;
  u32 sum = 0;
  for (i64 k = begin; k < end; ++k) sum += *at<const u32>(launch.counts, k);
  sums[LOCAL_ID] = sum;
  BARRIER();
  if (LOCAL_ID == 0) {
    u32 before = 0;
    for (i32 t = 0; t < LOCAL_SIZE; ++t) {
      const u32 own = sums[t];
      sums[t] = before;
      before += own;
    }
  }
  BARRIER();
  u32 before = sums[LOCAL_ID];
  for (i64 k = begin; k < end; ++k) {
    u32* const count = at<u32>(launch.counts, k);
    const u32 own = *count;
    *count = before;
    before += own;
  }
}

// counts: per digit and thread, digit by digit; sums: one per thread.
DEVICE void sort_move(const SortLaunch& launch, u32* counts, u32* sums) {
  for (i64 block = GROUP_ID; block < launch.blocks; block += GROUP_COUNT) {
    const i64 first = (block * LOCAL_SIZE + LOCAL_ID) * kSortItems;
    for (int d = 0; d < kSortDigits; ++d) counts[d * kIndexThreads + LOCAL_ID] = 0;
    for (i64 e = first; e < first + kSortItems && e < launch.entries; ++e)
      ++counts[digit_of(launch, e) * kIndexThreads + LOCAL_ID];
    BARRIER();
    // Thread t takes 16 neighbours of the 4096 counts; 16 threads share a digit.
    u32 sum = 0;
    for (int k = 0; k < kSortDigits; ++k) sum += counts[LOCAL_ID * kSortDigits + k];
    sums[LOCAL_ID] = sum;
    BARRIER();
    u32 before = 0;
    for (i32 t = LOCAL_ID / kSortDigits * kSortDigits; t < LOCAL_ID; ++t) before += sums[t];
    for (int k = 0; k < kSortDigits; ++k) {
      const u32 own = counts[LOCAL_ID * kSortDigits + k];
      counts[LOCAL_ID * kSortDigits + k] = before;
      before += own;
    }
    BARRIER();
    for (i64 e = first; e < first + kSortItems && e < launch.entries; ++e) {
      const u32 digit = digit_of(launch, e);
      const i64 to = i64{*at<const u32>(launch.counts, digit * launch.blocks + block)} +
                     counts[digit * kIndexThreads + LOCAL_ID]++;
      *at<u32>(launch.sorted_keys, to) = *at<const u32>(launch.keys, e);
      *at<u32>(launch.sorted_numbers, to) = *at<const u32>(launch.numbers, e);
    }
    BARRIER();
  }
}

// ---- sums of runs ----

// How elements of type T are added up: f16 and bf16 in f32. Signed integers come as unsigned ones,
// which wrap.
#define TENON_ADD(DTYPE, SUM, WIDEN, ROUND)                    \
  struct Add_##DTYPE {                                         \
    using T = DTYPE;                                           \
    using Sum = SUM;                                           \
    DEVICE Sum widen(T x) { return WIDEN(x); }                 \
    DEVICE T round(Sum x) { return static_cast<T>(ROUND(x)); } \
  };
TENON_ADD(u8, u32, , )
TENON_ADD(u16, u32, , )
TENON_ADD(u32, u32, , )
TENON_ADD(u64, u64, , )
TENON_ADD(f32, f32, , )
TENON_ADD(f64, f64, , )
// f16 and bf16 are one type, their bits.
#define TENON_ADD_HALF(DTYPE)                           \
  struct Add_##DTYPE {                                  \
    using T = u16;                                      \
    using Sum = f32;                                    \
    DEVICE Sum widen(T x) { return DTYPE##_to_f32(x); } \
    DEVICE T round(Sum x) { return f32_to_##DTYPE(x); } \
  };
TENON_ADD_HALF(f16)
TENON_ADD_HALF(bf16)

DEVICE u32 key_at(const ScatterLaunch& launch, i64 sorted) {
  return *at<const u32>(launch.keys, sorted);
}

// The element of a lane that belongs to the entry sorted to this place.
DEVICE Position locate_sorted(const ScatterLaunch& launch, i64 sorted, i64 lane) {
  const i64 e = *at<const u32>(launch.numbers, sorted);
  if (launch.lanes == 1) return locate(launch.index, e);
  Position p = {0, 0, 0, 0, e, 0};
  for (int d = static_cast<int>(launch.index.rank) - 1; d >= 0; --d) {
    const IndexAxis axis = launch.index.axes[d];
    const bool own = d == static_cast<int>(launch.index.axis);
    const i64 position = own ? e : lane % axis.size;
    if (!own) lane /= axis.size;
    p.walked += position * axis.walked;
    p.chosen += position * axis.chosen;
  }
  return p;
}

template <class A>
DEVICE void deposit(const ScatterLaunch& launch, i64 sorted, i64 lane, typename A::Sum sum) {
  const Position p = locate_sorted(launch, sorted, lane);
  const i64 along = i64{key_at(launch, sorted)} - p.slot;
  typename A::T* const to =
      at<typename A::T>(launch.index.chosen, p.chosen + along * launch.index.step);
  *to = A::round(A::widen(*to) + sum);
}

// A run that reaches into a tile from the left leaves its part of the sum in carry 0, one that
// begins in it and goes on in carry 1.
template <class A>
DEVICE typename A::Sum* carry(const ScatterLaunch& launch, i64 tile, i64 lane, int which) {
  return at<typename A::Sum>(launch.carries, (tile * 2 + which) * launch.lanes + lane);
}

DEVICE i64 end_of(const ScatterLaunch& launch, i64 tile) {
  const i64 end = (tile + 1) * kTile;
  return end < launch.entries ? end : launch.entries;
}

// Does the run that place `sorted` belongs to go on at the next place?
DEVICE bool goes_on(const ScatterLaunch& launch, i64 sorted) {
  return sorted + 1 < launch.entries && key_at(launch, sorted + 1) == key_at(launch, sorted);
}

template <class A>
DEVICE void add(const ScatterLaunch& launch) {
  const i64 tiles = (launch.entries + kTile - 1) / kTile;
  for (i64 w = GLOBAL_ID; w < tiles * launch.lanes; w += GLOBAL_SIZE) {
    const i64 tile = w / launch.lanes, lane = w % launch.lanes;
    const i64 begin = tile * kTile, end = end_of(launch, tile);
    bool from_left = begin > 0 && goes_on(launch, begin - 1), first = true;
    typename A::Sum sum = 0;
    for (i64 s = begin; s < end; ++s) {
      const Position p = locate_sorted(launch, s, lane);
      const typename A::Sum x = A::widen(*at<const typename A::T>(launch.index.walked, p.walked));
      sum = first ? x : static_cast<typename A::Sum>(sum + x);
      first = !goes_on(launch, s);
      if (first && !from_left) deposit<A>(launch, s, lane, sum);
      if (first ? from_left : s + 1 == end) *carry<A>(launch, tile, lane, from_left ? 0 : 1) = sum;
      if (first) from_left = false;
    }
  }
}

template <class A>
DEVICE void add_carried(const ScatterLaunch& launch) {
  const i64 tiles = (launch.entries + kTile - 1) / kTile;
  for (i64 w = GLOBAL_ID; w < tiles * launch.lanes; w += GLOBAL_SIZE) {
    const i64 tile = w / launch.lanes, lane = w % launch.lanes;
    const i64 begin = tile * kTile, last = end_of(launch, tile) - 1;
    const u32 key = key_at(launch, last);
    if (!goes_on(launch, last)) continue;
    if (begin > 0 && key_at(launch, begin - 1) == key) continue;  // begins further left
    typename A::Sum sum = *carry<A>(launch, tile, lane, 1);
    for (i64 t = tile + 1;; ++t) {
      sum = static_cast<typename A::Sum>(sum + *carry<A>(launch, t, lane, 0));
      const i64 its_last = end_of(launch, t) - 1;
      if (key_at(launch, its_last) != key || !goes_on(launch, its_last)) break;
    }
    deposit<A>(launch, last, lane, sum);
  }
}

struct alignas(16) u128 {
  u64 low, high;
};

}  // namespace tenon_cuda

// The kernels, by item size or by what is added.
#define TENON_INDEXING_MOVES(NAME, T)                                                           \
  KERNEL gather_##NAME(const tenon_cuda::IndexLaunch launch) { tenon_cuda::gather<T>(launch); } \
  KERNEL assign_##NAME(const tenon_cuda::ScatterLaunch launch) { tenon_cuda::assign<T>(launch); }
#define TENON_INDEXING_ADDS(NAME)                                         \
  KERNEL scatter_add_##NAME(const tenon_cuda::ScatterLaunch launch) {     \
    tenon_cuda::add<tenon_cuda::Add_##NAME>(launch);                      \
  }                                                                       \
  KERNEL scatter_carried_##NAME(const tenon_cuda::ScatterLaunch launch) { \
    tenon_cuda::add_carried<tenon_cuda::Add_##NAME>(launch);              \
  }

TENON_INDEXING_MOVES(1, u8)
TENON_INDEXING_MOVES(2, u16)
TENON_INDEXING_MOVES(4, u32)
TENON_INDEXING_MOVES(8, u64)
TENON_INDEXING_MOVES(16, tenon_cuda::u128)
TENON_INDEXING_ADDS(u8)
TENON_INDEXING_ADDS(u16)
TENON_INDEXING_ADDS(u32)
TENON_INDEXING_ADDS(u64)
TENON_INDEXING_ADDS(f16)
TENON_INDEXING_ADDS(bf16)
TENON_INDEXING_ADDS(f32)
TENON_INDEXING_ADDS(f64)
KERNEL scatter_mark(const tenon_cuda::ScatterLaunch launch) { tenon_cuda::mark(launch); }
KERNEL scatter_keys(const tenon_cuda::ScatterLaunch launch) { tenon_cuda::keys(launch); }
KERNEL sort_count(const tenon_cuda::SortLaunch launch) {
  LOCAL u32 counts[tenon_cuda::kSortDigits];
  tenon_cuda::sort_count(launch, counts);
}
KERNEL sort_scan(const tenon_cuda::SortLaunch launch) {
  LOCAL u32 sums[tenon_cuda::kIndexThreads];
  tenon_cuda::sort_scan(launch, sums);
}
KERNEL sort_move(const tenon_cuda::SortLaunch launch) {
  LOCAL u32 counts[tenon_cuda::kSortDigits * tenon_cuda::kIndexThreads];
  LOCAL u32 sums[tenon_cuda::kIndexThreads];
  tenon_cuda::sort_move(launch, counts, sums);
}

#endif  // TENON_BACKENDS_CUDA_INDEXING_CUH_
