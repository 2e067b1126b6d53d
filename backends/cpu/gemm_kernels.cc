// Matrix products after Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication"
// (2008): both factors are packed into panels, slab by slab of k, and a kernel keeps a tile of the
// result in registers. Packing takes any strides and widens small integers and halves; tiles at the
// edges are padded with zeros.
//
// This file alone is compiled with contraction: acc += a * b is one instruction where the processor
// has it.
#include "backends/cpu/gemm_kernels.h"

#include <algorithm>
#include <type_traits>

#include "backends/cpu/host.h"
#include "backends/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/gemm_kernels.cc"
#include "hwy/foreach_target.h"
// after foreach_target
#include "backends/cpu/gemm_direct-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tenon_cpu {
namespace HWY_NAMESPACE {
namespace {

inline constexpr int64_t kSlab =
    256;  // of k: a panel of b, 32 KiB with AVX-512, stays in the first-level cache
inline constexpr int64_t kBlockM = 240;  // rows whose panels of a stay in the second-level cache
inline constexpr int64_t kBlockN = 1024;
inline constexpr int64_t kMost = 4096;  // rows and columns packed at a time

// acc = the panels' product over `k`; tile rows [0, R), vectors [0, V).
template <class T, int R, int V>
TENON_INLINE void Multiply(const T* a, const T* b, int64_t k,
                           typename Vector<T>::Type (&acc)[R][V]) {
  using Lanes = typename Vector<T>::Type;
  for (int i = 0; i < R; ++i) {
    for (int v = 0; v < V; ++v) acc[i][v] = Lanes{};
  }
  for (int64_t p = 0; p < k; ++p) {
    Lanes line[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v)
      line[v] = *reinterpret_cast<const Lanes*>(b + v * Vector<T>::kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const Lanes x = a[i] - Lanes{};
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) acc[i][v] += x * line[v];
    }
    a += kRows;
    b += kColumns<T>;
  }
}

// A whole tile to contiguous rows of c, straight from the registers: c = [c +] acc.
template <class T, int R, int V>
void MultiplyInto(const T* a, const T* b, int64_t k, T* c, int64_t c_row, bool add) {
  using Lanes = typename Vector<T>::Type;
  Lanes acc[R][V];
  Multiply<T, R, V>(a, b, k, acc);
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      Lanes* to = reinterpret_cast<Lanes*>(c + i * c_row + v * Vector<T>::kLanes);
      *to = add ? *to + acc[i][v] : acc[i][v];
    }
  }
}

template <class T>
using TileFn = void (*)(const T* a, const T* b, int64_t k, T* c, int64_t c_row, bool add);

// The smallest kernel that holds `rows` rows and `columns` columns.
template <class T>
TileFn<T> FindTile(int64_t rows, int64_t columns) {
  const bool narrow = columns <= Vector<T>::kLanes;
  if (rows > kRows / 2) return narrow ? &MultiplyInto<T, kRows, 1> : &MultiplyInto<T, kRows, 2>;
  if (rows > kRows / 3)
    return narrow ? &MultiplyInto<T, kRows / 2, 1> : &MultiplyInto<T, kRows / 2, 2>;
  if (rows > 1)
    return narrow ? &MultiplyInto<T, (kRows + 2) / 3, 1> : &MultiplyInto<T, (kRows + 2) / 3, 2>;
  return narrow ? &MultiplyInto<T, 1, 1> : &MultiplyInto<T, 1, 2>;
}

// Panels of kRows rows of a, or (transposed) of kColumns columns of b: to[p * width + i].
template <class T, class S>
void PackPanel(T* to, const S* from, int64_t stride, int64_t k_stride, int64_t count, int64_t width,
               int64_t k) {
  if (stride == 1 && count == width) {
    for (int64_t p = 0; p < k; ++p) {
      const S* line = from + p * k_stride;
      for (int64_t i = 0; i < width; ++i) to[p * width + i] = Widen<T>(line[i]);
    }
    return;
  }
  if (stride == 1) {
    for (int64_t p = 0; p < k; ++p) {
      const S* line = from + p * k_stride;
      for (int64_t i = 0; i < width; ++i) to[p * width + i] = i < count ? Widen<T>(line[i]) : T{0};
    }
    return;
  }
  if (count < width) std::fill_n(to, k * width, T{0});
  // Short runs of k, so that what is written stays close.
  for (int64_t p0 = 0; p0 < k; p0 += 16) {
    const int64_t p1 = std::min(k, p0 + 16);
    for (int64_t i = 0; i < count; ++i) {
      const S* line = from + i * stride;
      for (int64_t p = p0; p < p1; ++p) to[p * width + i] = Widen<T>(line[p * k_stride]);
    }
  }
}

// Rows [m0, m1) by columns [n0, n1) of the packed part, which begins at (row, column) of c.
template <class T, class S>
void Block(const Gemm& g, const Output<T>& out, const T* a, const T* b, int64_t k, int64_t row,
           int64_t column, int64_t m0, int64_t m1, int64_t n0, int64_t n1) {
  constexpr int64_t width = kColumns<T>;
  const bool straight = std::is_same_v<T, S> && g.c_column == 1 && out.alpha == T{1} &&
                        (!out.first || (out.beta == T{0} && g.bias == nullptr)) &&
                        !(out.last && g.relu);
  for (int64_t j = n0; j < n1; j += width) {
    const int64_t columns = std::min(width, n1 - j);
    for (int64_t i = m0; i < m1; i += kRows) {
      const int64_t rows = std::min(kRows, m1 - i);
      const T* panel_a = a + i * k;
      const T* panel_b = b + j * k;
      const TileFn<T> fn = FindTile<T>(rows, columns);
      if (straight && columns == width && rows == kRows) {
        fn(panel_a, panel_b, k, reinterpret_cast<T*>(g.c) + (row + i) * g.c_row + column + j,
           g.c_row, !out.first);
      } else {
        alignas(64) T tile[kRows * width];
        fn(panel_a, panel_b, k, tile, width, false);
        StoreTile<T, S>(g, out, tile, row + i, column + j, rows, columns);
      }
    }
  }
}

int64_t RoundUp(int64_t x, int64_t multiple) { return (x + multiple - 1) / multiple * multiple; }

template <class T>
int64_t WorkspaceBytes(int64_t m, int64_t n, int64_t k) {
  return (RoundUp(std::min(m, kMost), kRows) + RoundUp(std::min(n, kMost), kColumns<T>)) *
             std::min(k, kSlab) * static_cast<int64_t>(sizeof(T)) +
         64;
}

// T: what is computed in; S: of a and b; C: of c and bias.
template <class T, class S, class C = S>
void Run(const Gemm& g, char* workspace) {
  if constexpr (std::is_floating_point_v<T> && std::is_same_v<T, S>) {
    if (RowTimesMatrix<T>(g)) return;
  }
  if (g.k <= kSmallK && g.m * g.n * g.k <= kSmallWork) return RunSmall<T, S, C>(g);
  constexpr int64_t width = kColumns<T>;
  const S* a = reinterpret_cast<const S*>(g.a);
  const S* b = reinterpret_cast<const S*>(g.b);
  for (int64_t row = 0; row < g.m; row += kMost) {
    const int64_t m = std::min(kMost, g.m - row);
    for (int64_t column = 0; column < g.n; column += kMost) {
      const int64_t n = std::min(kMost, g.n - column);
      for (int64_t k0 = 0; k0 < g.k; k0 += kSlab) {
        const int64_t k = std::min(kSlab, g.k - k0);
        T* const packed_a = reinterpret_cast<T*>(workspace);
        T* const packed_b =
            packed_a + RoundUp(RoundUp(m, kRows) * k, 64 / static_cast<int64_t>(sizeof(T)));
        const int64_t panels_a = (m + kRows - 1) / kRows, panels_b = (n + width - 1) / width;
        const int64_t work = m * n * k;
        constexpr int64_t kSerial =
            128 * 128 * 128;  // below, waking a thread costs more than it brings
        ParallelFor(
            panels_a + panels_b, work < kSerial ? panels_a + panels_b : 16,
            [&](int64_t begin, int64_t end) {
              for (int64_t p = begin; p < end; ++p) {
                if (p < panels_a) {
                  const int64_t i = p * kRows;
                  PackPanel<T, S>(packed_a + i * k, a + (row + i) * g.a_row + k0 * g.a_column,
                                  g.a_row, g.a_column, std::min(kRows, m - i), kRows, k);
                } else {
                  const int64_t j = (p - panels_a) * width;
                  PackPanel<T, S>(packed_b + j * k, b + (column + j) * g.b_column + k0 * g.b_row,
                                  g.b_column, g.b_row, std::min(width, n - j), width, k);
                }
              }
            });
        const Output<T> out{Factor<T>(g.alpha), Factor<T>(g.beta), k0 == 0, k0 + k == g.k};
        int64_t block_m = kBlockM, block_n = kBlockN;
        if (work >= kSerial) {
          const int64_t wanted = 3 * host->num_threads(host->ctx);
          while (RoundUp(m, block_m) / block_m * (RoundUp(n, block_n) / block_n) < wanted &&
                 (block_m > 60 || block_n > 128)) {
            if (block_n > 4 * block_m || block_m <= 60)
              block_n /= 2;
            else
              block_m /= 2;
          }
        }
        const int64_t blocks_m = (m + block_m - 1) / block_m,
                      blocks_n = (n + block_n - 1) / block_n;
        ParallelFor(blocks_m * blocks_n, work < kSerial ? blocks_m * blocks_n : 1,
                    [&](int64_t begin, int64_t end) {
                      for (int64_t u = begin; u < end; ++u) {
                        const int64_t i = u / blocks_n * block_m, j = u % blocks_n * block_n;
                        Block<T, C>(g, out, packed_a, packed_b, k, row, column, i,
                                    std::min(m, i + block_m), j, std::min(n, j + block_n));
                      }
                    });
      }
    }
  }
}

}  // namespace

bool SetGemm(uint32_t dtype, GemmFns* fns) {
  switch (dtype) {
    case TENON_F32:
      *fns = {&Run<float, float>, &WorkspaceBytes<float>};
      return true;
    case TENON_F64:
      *fns = {&Run<double, double>, &WorkspaceBytes<double>};
      return true;
    case TENON_F16:
      *fns = {&Run<float, F16, float>, &WorkspaceBytes<float>};
      return true;
    case TENON_BF16:
      *fns = {&Run<float, BF16, float>, &WorkspaceBytes<float>};
      return true;
    case TENON_U8:
      *fns = {&Run<uint32_t, uint8_t>, &WorkspaceBytes<uint32_t>};
      return true;
    case TENON_I8:
      *fns = {&Run<uint32_t, int8_t>, &WorkspaceBytes<uint32_t>};
      return true;
    case TENON_U16:
      *fns = {&Run<uint32_t, uint16_t>, &WorkspaceBytes<uint32_t>};
      return true;
    case TENON_I16:
      *fns = {&Run<uint32_t, int16_t>, &WorkspaceBytes<uint32_t>};
      return true;
    case TENON_U32:
    case TENON_I32:
      *fns = {&Run<uint32_t, uint32_t>, &WorkspaceBytes<uint32_t>};
      return true;
    case TENON_U64:
    case TENON_I64:
      *fns = {&Run<uint64_t, uint64_t>, &WorkspaceBytes<uint64_t>};
      return true;
    default:
      return false;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tenon_cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon_cpu {
bool FindGemm(uint32_t dtype, GemmFns* fns) { return TENON_BEST_TARGET(SetGemm)(dtype, fns); }
}  // namespace tenon_cpu
#endif
