#include "tenon/ops/search.h"

#include <cstring>

#include "tenon/device/fallback.h"
#include "tenon/ops/elementwise.h"
#include "tenon/ops/gather.h"
#include "tenon/ops/reduce.h"
#include "tenon/ops/views.h"
#include "tenon/tensor/impl.h"

namespace tenon {
namespace {

// Is each element not 0?
Tensor is_set(const Tensor& x) {
  NoGradScope constant;
  return x.dtype() == DType::bool_ ? x : not_equal(x, 0);
}

void check_defined(const char* name, const Tensor& x) {
  if (!x.defined()) fail(ErrorCode::kInvalidArgument, name, "the tensor is undefined");
}

}  // namespace

std::vector<Tensor> nonzero(const Tensor& x) {
  check_defined("nonzero", x);
  if (x.ndim() == 0) {
    fail(ErrorCode::kShape, "nonzero", "needs at least 1 dimension, not ", describe(x),
         "; reshape it to {1}");
  }
  DeviceState& device = x.impl()->device();
  if (!device.host_addressable) begin_fallback(device, "nonzero", "backends have no entry for it");
  const Tensor set = is_set(x).cpu().contiguous();
  const bool* flags = set.data<bool>();
  const int rank = x.ndim();
  const int64_t size = x.size(), line = x.size(-1);
  int64_t count = 0;
  for (int64_t i = 0; i < size; ++i) count += flags[i];

  std::vector<Tensor> positions;
  std::vector<int64_t*> out;
  for (int k = 0; k < rank; ++k) {
    positions.push_back(empty({count}, DType::int64));
    out.push_back(count ? positions.back().mutable_data<int64_t>() : nullptr);
  }
  int64_t at[kMaxRank] = {}, found = 0;
  for (int64_t start = 0; found < count; start += line) {
    for (int64_t i = 0; i < line; ++i) {
      uint64_t eight;
      if (i + 8 <= line && (std::memcpy(&eight, flags + start + i, 8), eight == 0)) {
        i += 7;
        continue;
      }
      if (!flags[start + i]) continue;
      for (int k = 0; k + 1 < rank; ++k) out[static_cast<size_t>(k)][found] = at[k];
      out[static_cast<size_t>(rank - 1)][found++] = i;
    }
    for (int k = rank - 1; k-- > 0;) {
      if (++at[k] < x.size(k)) break;
      at[k] = 0;
    }
  }
  for (Tensor& p : positions) p = p.to(x.device());
  return positions;
}

Tensor count_nonzero(const Tensor& x, DimsView axes, bool keepdims) {
  check_defined("count_nonzero", x);
  return sum(is_set(x), axes, keepdims);
}

Tensor searchsorted(const Tensor& sorted, const Tensor& values, bool right) {
  check_defined("searchsorted", sorted);
  check_defined("searchsorted", values);
  if (sorted.ndim() != 1)
    fail(ErrorCode::kShape, "searchsorted", "the sorted tensor has 1 dimension, not ",
         describe(sorted));
  const DType d = promote(sorted.dtype(), values.dtype());
  if (d == DType::none) {
    fail(ErrorCode::kDType, "searchsorted", describe(sorted), " and ", describe(values),
         " have no common dtype; ", promotion_advice(sorted.dtype(), values.dtype()));
  }
  if (!(sorted.device() == values.device())) {
    fail(ErrorCode::kDevice, "searchsorted",
         "Expected all tensors to be on the same device, but found ", describe(sorted), " and ",
         describe(values), ". Move one with to()");
  }
  NoGradScope constant;
  const Tensor list = sorted.to(d), wanted = values.to(d);
  const int64_t size = sorted.size();
  // NaN stands behind everything.
  const auto before = [&](const Tensor& a, const Tensor& b) {
    return is_floating(d) ? logical_or(less(a, b), isnan(b) & ~isnan(a)) : less(a, b);
  };
  // Bisection of all values at once; low == high where one is found.
  Tensor low = zeros(values.shape(), DType::int64, values.device()), high = low + size;
  for (int64_t left = size; left > 0; left /= 2) {
    const Tensor middle = bitwise_right_shift(low + high, 1);
    Selection s{{0}, {minimum(middle, size - 1)}, Dims(values.shape())};
    s.checked = true;
    const Tensor there = gather("searchsorted", list, s);
    const Tensor further = (right ? ~before(wanted, there) : before(there, wanted)) & (low < high);
    high = where(further, high, middle);
    low = where(further, middle + 1, low);
  }
  return low;
}

}  // namespace tenon
