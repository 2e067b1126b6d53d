#include "tenon/ops/sort.h"

#include <algorithm>
#include <numeric>
#include <type_traits>

#include "tenon/device/fallback.h"
#include "tenon/ops/join.h"
#include "tenon/ops/views.h"
#include "tenon/tensor/impl.h"

namespace tenon {
namespace {

// Is a before b in ascending order, NaN last?
template <class T>
bool before(T a, T b) {
  if constexpr (NarrowFloat<T>) {
    return before(static_cast<float>(a), static_cast<float>(b));
  } else if constexpr (std::is_floating_point_v<T>) {
    return a < b || (b != b && a == a);
  } else {
    return a < b;
  }
}

// Each line of n elements on its own; positions already holds 0, 1, .. per line.
template <class T>
void sort_lines(const T* x, int64_t* positions, int64_t size, int64_t n, bool descending) {
  for (int64_t start = 0; start < size; start += n) {
    const T* line = x + start;
    std::stable_sort(positions + start, positions + start + n, [&](int64_t a, int64_t b) {
      return descending ? before(line[b], line[a]) : before(line[a], line[b]);
    });
  }
}

}  // namespace

Tensor argsort(const Tensor& x, int64_t axis, bool descending) {
  if (!x.defined()) fail(ErrorCode::kInvalidArgument, "sort", "the tensor is undefined");
  const int at = normalize_axis("sort", axis, x.ndim()), last = x.ndim() - 1;
  if (is_complex(x.dtype()))
    fail(ErrorCode::kDType, "sort", describe(x), " has no order; sort by real(), imag() or abs()");
  check_computes("sort", x);
  DeviceState& device = x.impl()->device();
  if (!device.host_addressable) begin_fallback(device, "sort", "backends have no entry for it");
  NoGradScope constant;
  Dims order(x.ndim(), 0);
  std::iota(order.begin(), order.end(), 0);
  std::swap(order[at], order[last]);
  const Tensor lines = permute_dims(x, order).cpu().contiguous();
  Tensor positions = broadcast_to(arange(0, lines.size(-1)), lines.shape()).clone().contiguous();
  if (lines.size() > 0) {
    visit_dtype(x.dtype(), [&]<class T>() {
      if constexpr (!std::is_same_v<T, Complex64> && !std::is_same_v<T, Complex128>) {
        sort_lines(lines.data<T>(), positions.mutable_data<int64_t>(), lines.size(), lines.size(-1),
                   descending);
      }
    });
  }
  return permute_dims(positions, order).contiguous().to(x.device()).detach();
}

Tensor sort(const Tensor& x, int64_t axis, bool descending) {
  const Tensor positions = argsort(x, axis, descending);
  return take_along_axis(x, positions, axis);
}

}  // namespace tenon
