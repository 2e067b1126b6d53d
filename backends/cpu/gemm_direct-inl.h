// What all matrix products share (vectors, conversions, storing a tile of the result), and the
// products that need no packing: a row or column times a matrix, and small ones. Included once per
// target by gemm_kernels.cc.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "backends/cpu/gemm_kernels.h"
#include "backends/cpu/host.h"
#include "tenon/abi/tenon_half.h"

#if defined(TENON_BACKENDS_CPU_GEMM_DIRECT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TENON_BACKENDS_CPU_GEMM_DIRECT_INL_H_
#undef TENON_BACKENDS_CPU_GEMM_DIRECT_INL_H_
#else
#define TENON_BACKENDS_CPU_GEMM_DIRECT_INL_H_
#endif

#include "backends/cpu/vectors-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tenon_cpu {
namespace HWY_NAMESPACE {
namespace {

// The tile in registers: kRows x (kVectors vectors); 24 of 32 registers with AVX-512, 12 of 16
// otherwise.
inline constexpr int64_t kRows = kVectorBytes == 64 ? 12 : kVectorBytes == 32 ? 6 : 4, kVectors = 2;

template <class T>
inline constexpr int64_t kColumns = kVectors* Vector<T>::kLanes;

struct F16 {
  uint16_t bits;
};
struct BF16 {
  uint16_t bits;
};

template <class T, class S>
TENON_INLINE T Widen(S x) {
  if constexpr (std::is_same_v<S, F16>)
    return tenon_f16_to_f32(x.bits);
  else if constexpr (std::is_same_v<S, BF16>)
    return tenon_bf16_to_f32(x.bits);
  else
    return static_cast<T>(x);
}

// Where a tile goes. `first`: the tile starts the sum, so c counts with beta, and the bias is
// added.
template <class T>
struct Output {
  T alpha, beta;
  bool first, last;
};

// One row of a tile to c. `kStep`: the stride of c's and bias' columns if it is known, else 0.
template <class T, class S, int kStep>
void StoreRow(const Gemm& g, const Output<T>& out, const T* tile, S* c, const S* bias,
              int64_t columns) {
  const int64_t c_step = kStep != 0 ? kStep : g.c_column,
                bias_step = kStep != 0 ? kStep : g.bias_column;
  if constexpr (kStep == 1 && std::is_same_v<T, S>) {
    if (out.first && out.alpha == T{1} && out.beta == T{0} && !g.relu) {
      TENON_IVDEP
      for (int64_t j = 0; bias == nullptr && j < columns; ++j) c[j] = tile[j];
      TENON_IVDEP
      for (int64_t j = 0; bias != nullptr && j < columns; ++j) c[j] = tile[j] + bias[j];
      return;
    }
  }
  T line[kColumns<T>];
  for (int64_t j = 0; j < columns; ++j) line[j] = out.alpha * tile[j];
  if (!out.first) {
    for (int64_t j = 0; j < columns; ++j) line[j] += Widen<T>(c[j * c_step]);
  } else if (out.beta != T{0}) {
    for (int64_t j = 0; j < columns; ++j) line[j] += out.beta * Widen<T>(c[j * c_step]);
  }
  if (out.first && bias != nullptr) {
    for (int64_t j = 0; j < columns; ++j) line[j] += Widen<T>(bias[j * bias_step]);
  }
  if (out.last && g.relu) {
    for (int64_t j = 0; j < columns; ++j) line[j] = line[j] < T{0} ? T{0} : line[j];
  }
  for (int64_t j = 0; j < columns; ++j) c[j * c_step] = static_cast<S>(line[j]);
}

template <class T, class S>
void StoreTile(const Gemm& g, const Output<T>& out, const T* tile, int64_t row, int64_t column,
               int64_t rows, int64_t columns) {
  const bool dense = g.c_column == 1 && (g.bias == nullptr || g.bias_column == 1);
  for (int64_t i = 0; i < rows; ++i) {
    S* c = reinterpret_cast<S*>(g.c) + (row + i) * g.c_row + column * g.c_column;
    const S* bias = g.bias == nullptr ? nullptr
                                      : reinterpret_cast<const S*>(g.bias) +
                                            (row + i) * g.bias_row + column * g.bias_column;
    if (dense)
      StoreRow<T, S, 1>(g, out, tile + i * kColumns<T>, c, bias, columns);
    else
      StoreRow<T, S, 0>(g, out, tile + i * kColumns<T>, c, bias, columns);
  }
}

template <class T>
T Factor(double x) {
  if constexpr (std::is_floating_point_v<T>)
    return static_cast<T>(x);
  else
    return static_cast<T>(static_cast<int64_t>(x));  // the types are unsigned, -1 is the greatest
}

// One row times a matrix is bound by reading the matrix, once, as it lies: packing would double
// that.
template <class T>
void RowTimesLines(const Gemm& g, const Output<T>& out) {  // rows of b contiguous
  constexpr int64_t kWidth = 512;
  const T* x = reinterpret_cast<const T*>(g.a);
  const int64_t blocks = (g.n + kWidth - 1) / kWidth;
  ParallelFor(
      blocks, std::max<int64_t>(1, (64 << 10) / (kWidth * g.k)), [&](int64_t begin, int64_t end) {
        for (int64_t u = begin; u < end; ++u) {
          const int64_t first = u * kWidth, columns = std::min(kWidth, g.n - first);
          alignas(64) T sum[kWidth] = {};
          const T* b = reinterpret_cast<const T*>(g.b) + first;
          int64_t p = 0;
          for (; p + 4 <= g.k; p += 4) {
            const T x0 = x[p * g.a_column], x1 = x[(p + 1) * g.a_column],
                    x2 = x[(p + 2) * g.a_column], x3 = x[(p + 3) * g.a_column];
            const T *b0 = b + p * g.b_row, *b1 = b0 + g.b_row, *b2 = b1 + g.b_row,
                    *b3 = b2 + g.b_row;
            TENON_IVDEP
            for (int64_t j = 0; j < columns; ++j)
              sum[j] += x0 * b0[j] + x1 * b1[j] + (x2 * b2[j] + x3 * b3[j]);
          }
          for (; p < g.k; ++p) {
            const T x0 = x[p * g.a_column];
            const T* b0 = b + p * g.b_row;
            TENON_IVDEP
            for (int64_t j = 0; j < columns; ++j) sum[j] += x0 * b0[j];
          }
          for (int64_t j = 0; j < columns; j += kColumns<T>)
            StoreTile<T, T>(g, out, sum + j, 0, first + j, 1, std::min(kColumns<T>, columns - j));
        }
      });
}

template <class T>
void RowTimesColumns(const Gemm& g, const Output<T>& out) {  // columns of b contiguous, and the row
  using Lanes = typename Vector<T>::Type;
  constexpr int64_t lanes = Vector<T>::kLanes;
  const T* x = reinterpret_cast<const T*>(g.a);
  ParallelFor(g.n, std::max<int64_t>(1, (64 << 10) / g.k), [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      const T* b = reinterpret_cast<const T*>(g.b) + j * g.b_column;
      Lanes acc[4] = {};
      int64_t p = 0;
      for (; p + 4 * lanes <= g.k; p += 4 * lanes) {
        for (int k = 0; k < 4; ++k)
          acc[k] += *reinterpret_cast<const Lanes*>(x + p + k * lanes) *
                    *reinterpret_cast<const Lanes*>(b + p + k * lanes);
      }
      const Lanes all = (acc[0] + acc[1]) + (acc[2] + acc[3]);
      T sum = 0;
      for (int64_t k = 0; k < lanes; ++k) sum += all[k];
      for (; p < g.k; ++p) sum += x[p] * b[p];
      StoreTile<T, T>(g, out, &sum, 0, j, 1, 1);
    }
  });
}

// False: not such a product.
template <class T>
bool RowTimesMatrix(Gemm g) {
  if (g.n == 1 && g.m != 1) {  // a column on the right is a row on the left of the transposed
    std::swap(g.a, g.b);
    std::swap(g.m, g.n);
    std::swap(g.a_row, g.b_column);
    std::swap(g.a_column, g.b_row);
    std::swap(g.c_row, g.c_column);
    std::swap(g.bias_row, g.bias_column);
  }
  if (g.m != 1) return false;
  const Output<T> out{Factor<T>(g.alpha), Factor<T>(g.beta), true, true};
  if (g.b_column == 1)
    RowTimesLines<T>(g, out);
  else if (g.b_row == 1 && g.a_column == 1)
    RowTimesColumns<T>(g, out);
  else
    return false;
  return true;
}

// Products too small to repay packing: a is read as it lies, b by strips of one vector.
inline constexpr int64_t kSmallK = 64, kSmallWork = 4096;
template <class T, class S, class C>
void RunSmall(const Gemm& g) {
  using Lanes = typename Vector<T>::Type;
  constexpr int64_t lanes = Vector<T>::kLanes, most_rows = 4;
  const Output<T> out{Factor<T>(g.alpha), Factor<T>(g.beta), true, true};
  alignas(64) T strip[kSmallK * lanes];
  for (int64_t j = 0; j < g.n; j += lanes) {
    const int64_t columns = std::min(lanes, g.n - j);
    const S* from = reinterpret_cast<const S*>(g.b) + j * g.b_column;
    for (int64_t p = 0; p < g.k; ++p, from += g.b_row) {
      T* const to = strip + p * lanes;
      if (columns < lanes) *reinterpret_cast<Lanes*>(to) = Lanes{};
      for (int64_t c = 0; c < columns; ++c) to[c] = Widen<T>(from[c * g.b_column]);
    }
    for (int64_t i = 0; i < g.m; i += most_rows) {
      const int64_t rows = std::min(most_rows, g.m - i);
      const S* row[most_rows];  // beyond the last: that one again
      for (int64_t r = 0; r < most_rows; ++r)
        row[r] = reinterpret_cast<const S*>(g.a) + (i + std::min(r, rows - 1)) * g.a_row;
      Lanes acc[most_rows] = {};
      for (int64_t p = 0; p < g.k; ++p) {
        const Lanes line = *reinterpret_cast<const Lanes*>(strip + p * lanes);
#pragma GCC unroll 4
        for (int64_t r = 0; r < most_rows; ++r)
          acc[r] += (Widen<T>(row[r][p * g.a_column]) - Lanes{}) * line;
      }
      alignas(64) T tile[most_rows * kColumns<T>];
#pragma GCC unroll 4
      for (int64_t r = 0; r < most_rows; ++r)
        *reinterpret_cast<Lanes*>(tile + r * kColumns<T>) = acc[r];
      StoreTile<T, C>(g, out, tile, i, j, rows, columns);
    }
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tenon_cpu
HWY_AFTER_NAMESPACE();
#endif  // toggle
