// What the fused entries say of one row, in long double, with a bound of the error for each
// element: of arithmetic in W (f32 for f16 and bf16), sums in f64 and one rounding to the dtype.
#ifndef TENON_TESTS_CUDA_ROWS_REFERENCE_H_
#define TENON_TESTS_CUDA_ROWS_REFERENCE_H_

#include <cmath>
#include <vector>

#include "tenon/abi/tenon_plugin_kit.h"

using Real = long double;

struct Expected {
  Real value, slack;  // |computed in W - value| <= slack
};

// Of rounding to nearest, relative.
inline Real UnitOf(uint32_t dtype) {
  return dtype == TENON_F16    ? 0x1p-11L
         : dtype == TENON_BF16 ? 0x1p-8L
         : dtype == TENON_F32  ? 0x1p-24L
                               : 0x1p-53L;
}
inline uint32_t WideOf(uint32_t dtype) {
  return dtype == TENON_F64 ? uint32_t{TENON_F64} : uint32_t{TENON_F32};
}

// Is `got` what `e` rounds to in this dtype?
inline bool Agrees(uint32_t dtype, Real got, const Expected& e) {
  if (std::isnan(e.value)) return std::isnan(got);
  const Real largest = dtype == TENON_F16    ? 65504.0L
                       : dtype == TENON_F64  ? 0x1.fffffffffffffp1023L
                       : dtype == TENON_BF16 ? 0x1.fep127L
                                             : 0x1.fffffep127L;
  if (std::isinf(e.value) || std::fabs(e.value) > largest)
    return got == std::copysign(HUGE_VALL, e.value);
  const Real least = dtype == TENON_F16 ? 0x1p-24L : dtype == TENON_F64 ? 0x1p-1074L : 0x1p-149L;
  const Real slack =
      std::isfinite(e.slack) ? e.slack : 0;  // 0 * infinity, where exp(-inf) is exact
  return std::fabs(got - e.value) <=
         slack + UnitOf(dtype) * (std::fabs(e.value) + slack) + 4 * least;
}

struct RowReference {
  Real u;  // of W
  explicit RowReference(uint32_t dtype) : u(UnitOf(WideOf(dtype))) {}

  struct Exponentials {
    Real shift = -HUGE_VALL, sum = 0;
    Real spread = 0;  // relative error of the sum, in u: what x - shift loses in each term
  };
  Exponentials Exp(const std::vector<Real>& x) const {
    Exponentials e;
    for (const Real v : x)
      e.shift = std::isnan(v) || std::isnan(e.shift) ? NAN : std::fmax(e.shift, v);
    if (std::isinf(e.shift)) e.shift = 0;
    for (const Real v : x) e.sum += std::exp(v - e.shift);
    for (const Real v : x) {
      const Real term = std::exp(v - e.shift) * std::fabs(v - e.shift);
      if (std::isfinite(term / e.sum)) e.spread += term / e.sum;
    }
    e.spread += 6;
    return e;
  }

  std::vector<Expected> Softmax(const std::vector<Real>& x, bool log) const {
    const Exponentials e = Exp(x);
    std::vector<Expected> y;
    for (const Real v : x) {
      const Real shifted = v - e.shift, log_sum = std::log(e.sum);
      if (log) {
        y.push_back(
            {shifted - log_sum, u * (3 * std::fabs(shifted) + 3 * std::fabs(log_sum) + e.spread)});
      } else {
        const Real value = std::exp(shifted) / e.sum;
        y.push_back({value, u * (std::fabs(shifted) + e.spread + 4) * value});
      }
    }
    return y;
  }

  std::vector<Expected> SoftmaxBackward(const std::vector<Real>& y, const std::vector<Real>& g,
                                        bool log) const {
    Real sum = 0, magnitude = 0;
    for (size_t i = 0; i < y.size(); ++i) {
      const Real term = log ? g[i] : g[i] * y[i];
      sum += term;
      magnitude += std::fabs(term);
    }
    const Real slack = u * (2 * magnitude + std::fabs(sum)) + 0x1p-50L * magnitude;
    std::vector<Expected> dx;
    for (size_t i = 0; i < y.size(); ++i) {
      const Real p = log ? std::exp(y[i]) : y[i];
      const Real value = log ? g[i] - p * sum : p * (g[i] - sum);
      dx.push_back({value, p * slack + 6 * u * p * (std::fabs(g[i]) + std::fabs(sum)) +
                               2 * u * (std::fabs(value) + (log ? std::fabs(g[i]) : 0))});
    }
    return dx;
  }

  struct Entropy {
    Expected loss, shift, sum;
  };
  Entropy CrossEntropy(const std::vector<Real>& x, int64_t target) const {
    const Exponentials e = Exp(x);
    Entropy out = {{std::log(e.sum), 0}, {e.shift, 0}, {e.sum, u * e.spread * e.sum}};
    out.loss.slack = u * (e.spread + 3 * std::fabs(out.loss.value));
    if (target >= 0 && target < static_cast<int64_t>(x.size())) {
      const Real chosen = x[static_cast<size_t>(target)] - e.shift;
      out.loss.value -= chosen;
      out.loss.slack += 3 * u * std::fabs(chosen);
    }
    return out;
  }

  struct Normalised {
    std::vector<Expected> y;
    Expected mean, rstd;
  };
  Normalised LayerNorm(const std::vector<Real>& x, const std::vector<Real>& weight,
                       const std::vector<Real>& bias, Real eps) const {
    const Real n = static_cast<Real>(x.size());
    Real mean = 0, magnitude = 0, variance = 0;
    for (const Real v : x) mean += v / n, magnitude += std::fabs(v) / n;
    for (const Real v : x) variance += (v - mean) * (v - mean) / n;
    Normalised out;
    const Real off = u * std::fabs(mean) + 0x1p-53L * (n / 64 + 40) * magnitude;
    out.mean = {mean, off};
    const Real rstd = 1 / std::sqrt(variance + eps);
    out.rstd = {rstd, rstd * (4 * u + 0x1p-53L * (n / 64 + 40) + off * off / (variance + eps))};
    for (size_t i = 0; i < x.size(); ++i) {
      const Real normal = (x[i] - mean) * rstd, scaled = normal * weight[i];
      const Real slack =
          std::fabs(weight[i]) *
              (rstd * off + std::fabs(x[i] - mean) * out.rstd.slack + 4 * u * std::fabs(normal)) +
          2 * u * (std::fabs(scaled) + std::fabs(bias[i]));
      out.y.push_back({scaled + bias[i], slack});
    }
    return out;
  }

  std::vector<Expected> LayerNormBackward(const std::vector<Real>& x, const std::vector<Real>& g,
                                          const std::vector<Real>& weight, Real mean,
                                          Real rstd) const {
    const Real n = static_cast<Real>(x.size());
    Real h_mean = 0, hn_mean = 0, h_size = 0, hn_size = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const Real h = g[i] * weight[i], hn = h * (x[i] - mean) * rstd;
      h_mean += h / n, hn_mean += hn / n, h_size += std::fabs(h) / n, hn_size += std::fabs(hn) / n;
    }
    const Real h_off = 3 * u * h_size, hn_off = 6 * u * hn_size;
    std::vector<Expected> dx;
    for (size_t i = 0; i < x.size(); ++i) {
      const Real h = g[i] * weight[i], normal = (x[i] - mean) * rstd;
      const Real value = rstd * (h - h_mean - normal * hn_mean);
      const Real terms = std::fabs(h) + std::fabs(h_mean) + std::fabs(normal * hn_mean);
      dx.push_back({value, std::fabs(rstd) * (h_off + std::fabs(normal) * hn_off + 8 * u * terms) +
                               2 * u * std::fabs(value)});
    }
    return dx;
  }
};

#endif  // TENON_TESTS_CUDA_ROWS_REFERENCE_H_
