// What the fused entries do to a row: arrays of f32 or f64 in the cache, as wide as they compute.
#ifndef TENON_BACKENDS_CPU_ROW_KERNELS_H_
#define TENON_BACKENDS_CPU_ROW_KERNELS_H_

#include <cstdint>

namespace tenon_cpu {

// Sums are kept in f64. An output may be exactly one of the inputs.
struct RowFns {
  // ---- one row of n elements side by side ----
  void (*softmax)(void* y, const void* x, int64_t n, bool log);
  void (*softmax_backward)(void* dx, const void* y, const void* g, int64_t n, bool log);
  // The row's maximum (0 where that is infinite or NaN) and sum(exp(x - shift)).
  void (*exp_sum)(const void* x, int64_t n, double* shift, double* sum);
  // weight and bias may be nullptr.
  void (*layer_norm)(void* y, const void* x, const void* weight, const void* bias, int64_t n,
                     double eps, double* mean, double* rstd);
  void (*layer_norm_backward)(void* dx, const void* x, const void* g, const void* weight, int64_t n,
                              double mean, double rstd);

  // ---- a tile: `width` rows side by side, n elements of each below one another. width is a
  // multiple of kTileWidth: for rows too short for vectors, and for rows that lie across memory
  // ----
  void (*softmax_tile)(void* y, const void* x, int64_t n, int64_t width, bool log);
  void (*softmax_backward_tile)(void* dx, const void* y, const void* g, int64_t n, int64_t width,
                                bool log);
  void (*exp_sum_tile)(const void* x, int64_t n, int64_t width, double* shift, double* sum);
};
inline constexpr int64_t kTileWidth = 16;

// Of f64 if `wide`, else of f32.
const RowFns& FindRowFns(bool wide);

}  // namespace tenon_cpu
#endif  // TENON_BACKENDS_CPU_ROW_KERNELS_H_
