#include "tenon/ops/unique.h"

#include <algorithm>

#include "tenon/ops/complex.h"
#include "tenon/ops/elementwise.h"
#include "tenon/ops/index.h"
#include "tenon/ops/join.h"
#include "tenon/ops/scan.h"
#include "tenon/ops/search.h"
#include "tenon/ops/sort.h"
#include "tenon/ops/views.h"
#include "tenon/tensor/impl.h"

namespace tenon {
namespace {

// All elements in one line, their order, and which of them in that order begin a new value.
struct Sorted {
  Tensor line, order, begins;
};

Tensor order_of(const Tensor& line) {
  if (!is_complex(line.dtype())) return argsort(line);
  const Tensor by_imag = argsort(imag(line));  // sorting keeps the order of equal elements
  return take(by_imag, argsort(take(real(line), by_imag)));
}

Sorted sort_line(const Tensor& x) {
  if (!x.defined()) fail(ErrorCode::kInvalidArgument, "unique", "the tensor is undefined");
  const int64_t flat[] = {-1};
  Sorted s;
  s.line = reshape(x, flat);
  NoGradScope constant;
  s.order = order_of(s.line.detach());
  const Tensor sorted = take(s.line, s.order);
  const Tensor first = ones({std::min<int64_t>(1, x.size())}, DType::bool_, x.device());
  const Tensor changes = not_equal(slice(sorted, 0, 1), slice(sorted, 0, 0, -1));
  const Tensor parts[] = {first, changes};
  s.begins = concat(parts, 0);
  return s;
}

}  // namespace

Tensor unique_values(const Tensor& x) {
  const Sorted s = sort_line(x);
  return take(s.line, take(s.order, nonzero(s.begins)[0]));
}

Unique unique(const Tensor& x) {
  const Sorted s = sort_line(x);
  const Tensor starts = nonzero(s.begins)[0];
  Unique u;
  u.indices = take(s.order, starts);
  u.values = take(s.line, u.indices);
  const Tensor end[] = {starts, full({1}, x.size(), DType::int64, x.device())};
  u.counts = diff(concat(end, 0));
  u.inverse = empty({x.size()}, DType::int64, x.device());
  index_put_(u.inverse, {s.order}, subtract(cumulative_sum(s.begins, 0), 1));
  u.inverse = reshape(u.inverse, x.shape());
  return u;
}

}  // namespace tenon
