// Every function goes over its row in chunks that stay in the first-level cache: a plain loop over
// scalar functions, then the fold of the reducers.
#include "backends/cpu/row_kernels.h"

#include <algorithm>
#include <cmath>

#include "backends/cpu/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/row_kernels.cc"
#include "hwy/foreach_target.h"
// after foreach_target
#include "backends/cpu/float_math-inl.h"
#include "backends/cpu/lanes-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace tenon_cpu {
namespace HWY_NAMESPACE {
namespace {

inline constexpr int64_t kChunk = 1024;

// A sum in f64 with what its additions lost.
struct Sum {
  double sum = 0, lost = 0;
  TENON_INLINE void Add(double x) { AddCompensated(sum, lost, x); }
  // Of an infinite sum nothing is lost.
  TENON_INLINE double Total() const { return sum - sum == 0 ? sum + lost : sum; }
};

// The sum of term(i) over [0, n). The terms are written to `kept` if that is not nullptr.
template <class C, class Term>
TENON_INLINE double SumOf(int64_t n, C* kept, const Term& term) {
  alignas(64) C chunk[kChunk];
  Sum sum;
  for (int64_t at = 0; at < n; at += kChunk) {
    const int64_t m = std::min(kChunk, n - at);
    C* const to = kept != nullptr ? kept + at : chunk;
    TENON_IVDEP
    for (int64_t i = 0; i < m; ++i) to[i] = term(at + i);
    sum.Add(FoldFloats<Fold::kSum>(to, m));
  }
  return sum.Total();
}

template <class C>
TENON_INLINE C FiniteOrZero(C x) {
  return std::fabs(x) < std::numeric_limits<C>::infinity() ? x : C(0);
}

template <class C>
struct Range {
  C least, greatest;
};

// NaNs may be overlooked: whoever asks meets them again in his sum.
template <class C>
TENON_INLINE Range<C> RangeOf(const C* x, int64_t n) {
  Range<C> range{x[0], x[0]};
  int64_t i = 0;
  using V = typename Vector<C>::Type;
  constexpr int64_t lanes = Vector<C>::kLanes;
  if (n >= 4 * lanes) {
    V least[4], greatest[4];
    for (int k = 0; k < 4; ++k) least[k] = greatest[k] = *reinterpret_cast<const V*>(x + lanes * k);
    for (i = 4 * lanes; i + 4 * lanes <= n; i += 4 * lanes) {
      for (int k = 0; k < 4; ++k) {
        const V v = *reinterpret_cast<const V*>(x + i + lanes * k);
        least[k] = v < least[k] ? v : least[k];
        greatest[k] = v > greatest[k] ? v : greatest[k];
      }
    }
    for (int width = 2; width > 0; width /= 2) {
      for (int k = 0; k < width; ++k) {
        least[k] = least[k + width] < least[k] ? least[k + width] : least[k];
        greatest[k] = greatest[k + width] > greatest[k] ? greatest[k + width] : greatest[k];
      }
    }
    for (int64_t j = 0; j < lanes; ++j) {
      range.least = least[0][j] < range.least ? least[0][j] : range.least;
      range.greatest = greatest[0][j] > range.greatest ? greatest[0][j] : range.greatest;
    }
  }
  for (; i < n; ++i) {
    range.least = x[i] < range.least ? x[i] : range.least;
    range.greatest = x[i] > range.greatest ? x[i] : range.greatest;
  }
  return range;
}

// The shift of a row and the sum of exp(x - shift), whose terms are written to `kept` if that is
// not nullptr.
template <class C>
TENON_INLINE double ShiftedExpSum(const C* x, int64_t n, C* kept, C* shift_out) {
  const Range<C> range = RangeOf(x, n);
  const C shift = FiniteOrZero(range.greatest);
  *shift_out = shift;
  if (range.greatest - range.least <= Exp::kNormal<C>)
    return SumOf<C>(n, kept, [=](int64_t i) { return Exp::Normal(x[i] - shift); });
  return SumOf<C>(n, kept, [=](int64_t i) { return Exp::Do(x[i] - shift); });
}

template <class C>
void Softmax(void* out, const void* in, int64_t n, bool log) {
  C* const y = static_cast<C*>(out);
  const C* const x = static_cast<const C*>(in);
  C shift;
  const double sum = ShiftedExpSum<C>(x, n, log ? nullptr : y, &shift);
  if (log) {
    const C log_sum = static_cast<C>(Log::Do(sum));
    TENON_IVDEP
    for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - shift) - log_sum;
  } else {
    const C scale = static_cast<C>(1 / sum);
    TENON_IVDEP
    for (int64_t i = 0; i < n; ++i) y[i] *= scale;
  }
}

template <class C>
void SoftmaxBackward(void* out, const void* in, const void* gradient, int64_t n, bool log) {
  C* const dx = static_cast<C*>(out);
  const C* const y = static_cast<const C*>(in);
  const C* const g = static_cast<const C*>(gradient);
  if (log) {
    const C sum = static_cast<C>(SumOf<C>(n, nullptr, [=](int64_t i) { return g[i]; }));
    const Range<C> range = RangeOf(y, n);
    if (range.greatest <= Exp::kNormal<C> && range.least >= -Exp::kNormal<C>) {
      TENON_IVDEP
      for (int64_t i = 0; i < n; ++i) dx[i] = g[i] - Exp::Normal(y[i]) * sum;
    } else {
      TENON_IVDEP
      for (int64_t i = 0; i < n; ++i) dx[i] = g[i] - Exp::Do(y[i]) * sum;
    }
  } else {
    const C dot = static_cast<C>(SumOf<C>(n, nullptr, [=](int64_t i) { return g[i] * y[i]; }));
    TENON_IVDEP
    for (int64_t i = 0; i < n; ++i) dx[i] = y[i] * (g[i] - dot);
  }
}

template <class C>
void ExpSum(const void* x, int64_t n, double* shift_out, double* sum) {
  C shift;
  *sum = ShiftedExpSum<C>(static_cast<const C*>(x), n, nullptr, &shift);
  *shift_out = std::isnan(*sum) ? 0 : static_cast<double>(shift);
}

// The mean as the sum of two numbers of the compute dtype, so that x - mean does not carry the
// error of a rounded mean: `high` is close to x where that matters, and the first difference exact.
template <class C>
struct Mean {
  explicit Mean(double mean)
      : high(static_cast<C>(mean)), low(static_cast<C>(mean - static_cast<double>(high))) {
    low = FiniteOrZero(low);
  }
  TENON_INLINE C From(C x) const {
    if constexpr (sizeof(C) == 4)
      return (x - high) - low;
    else
      return x - high;
  }
  C high, low;
};

template <class C>
void LayerNorm(void* out, const void* in, const void* weight, const void* bias, int64_t n,
               double eps, double* mean_out, double* rstd_out) {
  C* const y = static_cast<C*>(out);
  const C* const x = static_cast<const C*>(in);
  const C* const w = static_cast<const C*>(weight);
  const C* const b = static_cast<const C*>(bias);
  const double count = static_cast<double>(n);
  Sum sum, squares;
  for (int64_t at = 0; at < n; at += kChunk)
    sum.Add(FoldFloats<Fold::kSum>(x + at, std::min(kChunk, n - at)));
  const double mean = sum.Total() / count;
  for (int64_t at = 0; at < n; at += kChunk)
    squares.Add(FoldFloats<Fold::kSquaredDeviations>(x + at, std::min(kChunk, n - at), mean));
  const double rstd = 1 / std::sqrt(squares.Total() / count + eps);
  *mean_out = mean;
  *rstd_out = rstd;
  const Mean<C> centre(mean);
  const C scale = static_cast<C>(rstd);
  if (w != nullptr && b != nullptr) {
    TENON_IVDEP
    for (int64_t i = 0; i < n; ++i) y[i] = centre.From(x[i]) * scale * w[i] + b[i];
  } else if (w != nullptr) {
    TENON_IVDEP
    for (int64_t i = 0; i < n; ++i) y[i] = centre.From(x[i]) * scale * w[i];
  } else if (b != nullptr) {
    TENON_IVDEP
    for (int64_t i = 0; i < n; ++i) y[i] = centre.From(x[i]) * scale + b[i];
  } else {
    TENON_IVDEP
    for (int64_t i = 0; i < n; ++i) y[i] = centre.From(x[i]) * scale;
  }
}

// h(i) = g[i] * weight[i], or g[i].
template <class C, class H>
TENON_INLINE void LayerNormSlope(C* dx, const C* x, const H& h, int64_t n, double mean_in,
                                 double rstd_in) {
  const C mean = static_cast<C>(mean_in), rstd = static_cast<C>(rstd_in);
  alignas(64) C hs[kChunk], hns[kChunk];
  Sum h_sum, hn_sum;
  for (int64_t at = 0; at < n; at += kChunk) {
    const int64_t m = std::min(kChunk, n - at);
    TENON_IVDEP
    for (int64_t i = 0; i < m; ++i) {
      hs[i] = h(at + i);
      hns[i] = hs[i] * ((x[at + i] - mean) * rstd);
    }
    h_sum.Add(FoldFloats<Fold::kSum>(hs, m));
    hn_sum.Add(FoldFloats<Fold::kSum>(hns, m));
  }
  const C h_mean = static_cast<C>(h_sum.Total() / static_cast<double>(n));
  const C hn_mean = static_cast<C>(hn_sum.Total() / static_cast<double>(n));
  TENON_IVDEP
  for (int64_t i = 0; i < n; ++i) dx[i] = rstd * (h(i) - h_mean - (x[i] - mean) * rstd * hn_mean);
}

template <class C>
void LayerNormBackward(void* out, const void* in, const void* gradient, const void* weight,
                       int64_t n, double mean, double rstd) {
  C* const dx = static_cast<C*>(out);
  const C* const x = static_cast<const C*>(in);
  const C* const g = static_cast<const C*>(gradient);
  const C* const w = static_cast<const C*>(weight);
  if (w != nullptr)
    LayerNormSlope(
        dx, x, [=](int64_t i) { return g[i] * w[i]; }, n, mean, rstd);
  else
    LayerNormSlope(
        dx, x, [=](int64_t i) { return g[i]; }, n, mean, rstd);
}

// ---- tiles: all loops run over a constant number of columns
// -------------------------------------------------------------------------------------------------

// One sum per column; f32 terms lose nothing that matters in f64.
template <class C>
struct ColumnSums {
  alignas(64) double sum[kTileWidth] = {}, lost[kTileWidth] = {};
  TENON_INLINE void Add(const C* terms) {
    for (int64_t j = 0; j < kTileWidth; ++j) {
      if constexpr (sizeof(C) == 8)
        AddCompensated(sum[j], lost[j], terms[j]);
      else
        sum[j] += static_cast<double>(terms[j]);
    }
  }
  TENON_INLINE double Total(int64_t j) const {
    return sizeof(C) == 8 && sum[j] - sum[j] == 0 ? sum[j] + lost[j] : sum[j];
  }
};

// Ranges of the columns; the whole tile's is returned.
template <class C>
TENON_INLINE Range<C> ColumnRanges(const C* x, int64_t n, int64_t width, C* greatest) {
  alignas(64) C least[kTileWidth], most[kTileWidth];
  for (int64_t j = 0; j < kTileWidth; ++j) least[j] = most[j] = x[j];
  for (int64_t i = 1; i < n; ++i) {
    const C* const row = x + i * width;
    for (int64_t j = 0; j < kTileWidth; ++j) {
      least[j] = row[j] < least[j] ? row[j] : least[j];
      most[j] = row[j] > most[j] ? row[j] : most[j];
    }
  }
  Range<C> range{least[0], most[0]};
  for (int64_t j = 0; j < kTileWidth; ++j) {
    range.least = least[j] < range.least ? least[j] : range.least;
    range.greatest = most[j] > range.greatest ? most[j] : range.greatest;
    greatest[j] = most[j];
  }
  return range;
}

template <class C, class Term>
TENON_INLINE void ColumnSumsOf(int64_t n, int64_t width, C* kept, ColumnSums<C>& sums,
                               const Term& term) {
  alignas(64) C terms[kTileWidth];
  for (int64_t i = 0; i < n; ++i) {
    C* const to = kept != nullptr ? kept + i * width : terms;
    TENON_IVDEP
    for (int64_t j = 0; j < kTileWidth; ++j) to[j] = term(i * width + j, j);
    sums.Add(to);
  }
}

template <class C>
TENON_INLINE void ColumnExpSums(const C* x, int64_t n, int64_t width, C* kept, C* shift,
                                ColumnSums<C>& sums) {
  const Range<C> range = ColumnRanges(x, n, width, shift);
  for (int64_t j = 0; j < kTileWidth; ++j) shift[j] = FiniteOrZero(shift[j]);
  if (range.greatest - range.least <= Exp::kNormal<C>)
    ColumnSumsOf<C>(n, width, kept, sums,
                    [&](int64_t at, int64_t j) { return Exp::Normal(x[at] - shift[j]); });
  else
    ColumnSumsOf<C>(n, width, kept, sums,
                    [&](int64_t at, int64_t j) { return Exp::Do(x[at] - shift[j]); });
}

template <class C>
void SoftmaxTile(void* out, const void* in, int64_t n, int64_t width, bool log) {
  for (int64_t j0 = 0; j0 < width; j0 += kTileWidth) {
    C* const y = static_cast<C*>(out) + j0;
    const C* const x = static_cast<const C*>(in) + j0;
    alignas(64) C shift[kTileWidth], last[kTileWidth];
    ColumnSums<C> sums;
    ColumnExpSums<C>(x, n, width, log ? nullptr : y, shift, sums);
    for (int64_t j = 0; j < kTileWidth; ++j)
      last[j] = static_cast<C>(log ? Log::Do(sums.Total(j)) : 1 / sums.Total(j));
    for (int64_t i = 0; i < n; ++i) {
      C* const to = y + i * width;
      const C* const from = x + i * width;
      if (log) {
        TENON_IVDEP
        for (int64_t j = 0; j < kTileWidth; ++j) to[j] = (from[j] - shift[j]) - last[j];
      } else {
        TENON_IVDEP
        for (int64_t j = 0; j < kTileWidth; ++j) to[j] *= last[j];
      }
    }
  }
}

template <class C>
void SoftmaxBackwardTile(void* out, const void* in, const void* gradient, int64_t n, int64_t width,
                         bool log) {
  for (int64_t j0 = 0; j0 < width; j0 += kTileWidth) {
    C* const dx = static_cast<C*>(out) + j0;
    const C* const y = static_cast<const C*>(in) + j0;
    const C* const g = static_cast<const C*>(gradient) + j0;
    ColumnSums<C> sums;
    if (log)
      ColumnSumsOf<C>(n, width, nullptr, sums, [&](int64_t at, int64_t) { return g[at]; });
    else
      ColumnSumsOf<C>(n, width, nullptr, sums, [&](int64_t at, int64_t) { return g[at] * y[at]; });
    alignas(64) C sum[kTileWidth];
    for (int64_t j = 0; j < kTileWidth; ++j) sum[j] = static_cast<C>(sums.Total(j));
    for (int64_t i = 0; i < n; ++i) {
      const int64_t at = i * width;
      if (log) {
        TENON_IVDEP
        for (int64_t j = 0; j < kTileWidth; ++j)
          dx[at + j] = g[at + j] - Exp::Do(y[at + j]) * sum[j];
      } else {
        TENON_IVDEP
        for (int64_t j = 0; j < kTileWidth; ++j) dx[at + j] = y[at + j] * (g[at + j] - sum[j]);
      }
    }
  }
}

template <class C>
void ExpSumTile(const void* in, int64_t n, int64_t width, double* shift_out, double* sum) {
  for (int64_t j0 = 0; j0 < width; j0 += kTileWidth) {
    const C* const x = static_cast<const C*>(in) + j0;
    alignas(64) C shift[kTileWidth];
    ColumnSums<C> sums;
    ColumnExpSums<C>(x, n, width, nullptr, shift, sums);
    for (int64_t j = 0; j < kTileWidth; ++j) {
      sum[j0 + j] = sums.Total(j);
      shift_out[j0 + j] = std::isnan(sum[j0 + j]) ? 0 : static_cast<double>(shift[j]);
    }
  }
}

template <class C>
constexpr RowFns kRowFns = {
    &Softmax<C>,     &SoftmaxBackward<C>,     &ExpSum<C>,    &LayerNorm<C>, &LayerNormBackward<C>,
    &SoftmaxTile<C>, &SoftmaxBackwardTile<C>, &ExpSumTile<C>};

}  // namespace

const RowFns* RowFunctions(bool wide) { return wide ? &kRowFns<double> : &kRowFns<float>; }

}  // namespace HWY_NAMESPACE
}  // namespace tenon_cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenon_cpu {
const RowFns& FindRowFns(bool wide) { return *TENON_BEST_TARGET(RowFunctions)(wide); }
}  // namespace tenon_cpu
#endif
