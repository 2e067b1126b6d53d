#include "tenon/ops/complex_reduce.h"

#include "tenon/ops/complex.h"
#include "tenon/ops/elementwise.h"
#include "tenon/ops/join.h"
#include "tenon/ops/reduce.h"
#include "tenon/ops/views.h"

namespace tenon {

Tensor complex_sum(const Tensor& x, DimsView axes, bool keepdims) {
  return complex(sum(real(x), axes, keepdims), sum(imag(x), axes, keepdims));
}

Tensor complex_mean(const Tensor& x, DimsView axes, bool keepdims) {
  return complex(mean(real(x), axes, keepdims), mean(imag(x), axes, keepdims));
}

// Axis by axis, the halves multiplied until one element is left.
Tensor complex_prod(const Tensor& x, DimsView axes, bool keepdims) {
  const Dims reduced = normalize_axes("prod", axes, x.ndim(), true);
  Tensor y = x.clone();
  for (int64_t axis : reduced) {
    const int k = static_cast<int>(axis);
    while (y.size(k) > 1) {
      const int64_t half = y.size(k) / 2;
      const Tensor parts[] = {multiply(slice(y, k, 0, half), slice(y, k, half, 2 * half)),
                              slice(y, k, 2 * half)};
      y = concat(parts, k);
    }
    if (y.size(k) == 1) continue;
    Dims shape(y.shape());
    shape[k] = 1;
    y = ones(shape, x.dtype(), x.device());
  }
  return keepdims || reduced.empty() ? y : squeeze(y, reduced);
}

}  // namespace tenon
