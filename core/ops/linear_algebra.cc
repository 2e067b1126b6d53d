#include "tenon/ops/linear_algebra.h"

#include <algorithm>

#include "tenon/ops/elementwise.h"
#include "tenon/ops/matmul.h"
#include "tenon/ops/reduce.h"
#include "tenon/ops/views.h"

namespace tenon {
namespace {

void check_defined(const char* name, const Tensor& x) {
  if (!x.defined()) fail(ErrorCode::kInvalidArgument, name, "an argument is an undefined tensor");
}

// The axes not in `named`, in order; the product of their sizes at *count.
Dims other_axes(const Tensor& x, const Dims& named, int64_t* count) {
  Dims out;
  *count = 1;
  for (int k = 0; k < x.ndim(); ++k) {
    if (std::find(named.begin(), named.end(), k) != named.end()) continue;
    out.push_back(k);
    *count *= x.size(k);
  }
  return out;
}

}  // namespace

Tensor tensordot(const Tensor& a, const Tensor& b, DimsView axes_a, DimsView axes_b) {
  check_defined("tensordot", a);
  check_defined("tensordot", b);
  const Dims summed_a = normalize_axes("tensordot", axes_a, a.ndim(), false);
  const Dims summed_b = normalize_axes("tensordot", axes_b, b.ndim(), false);
  bool fits = summed_a.size() == summed_b.size();
  int64_t inner = 1;
  for (int i = 0; fits && i < summed_a.size(); ++i) {
    const int64_t size = a.size(summed_a[i]);
    fits = size == b.size(summed_b[i]);
    inner *= size;
  }
  if (!fits) {
    fail(ErrorCode::kShape, "tensordot", "axes ", shape_text(summed_a), " of ", describe(a),
         " and ", shape_text(summed_b), " of ", describe(b), " are summed in pairs of equal sizes");
  }
  int64_t rows, columns;
  Dims order_a = other_axes(a, summed_a, &rows), order_b = summed_b;
  Dims shape;
  for (int64_t k : order_a) shape.push_back(a.size(k));
  for (int64_t k : other_axes(b, summed_b, &columns)) {
    shape.push_back(b.size(k));
    order_b.push_back(k);
  }
  for (int64_t k : summed_a) order_a.push_back(k);
  return reshape(matmul(reshape(permute_dims(a, order_a), {rows, inner}),
                        reshape(permute_dims(b, order_b), {inner, columns})),
                 shape);
}

Tensor tensordot(const Tensor& a, const Tensor& b, int64_t n) {
  check_defined("tensordot", a);
  check_defined("tensordot", b);
  if (n < 0 || n > a.ndim() || n > b.ndim()) {
    fail(ErrorCode::kAxis, "tensordot", n, " axes are summed, but ", describe(a), " and ",
         describe(b), " are the tensors");
  }
  Dims axes_a, axes_b;
  for (int64_t i = 0; i < n; ++i) {
    axes_a.push_back(a.ndim() - n + i);
    axes_b.push_back(i);
  }
  return tensordot(a, b, axes_a, axes_b);
}

Tensor vecdot(const Tensor& a, const Tensor& b, int64_t axis) {
  check_defined("vecdot", a);
  check_defined("vecdot", b);
  if (axis >= 0 && a.ndim() != b.ndim()) {
    fail(ErrorCode::kAxis, "vecdot", "axis ", axis, " of ", describe(a), " and ", describe(b),
         ": count it from the end (-1), as their dimensions differ");
  }
  // A row times a column: moved last, with a new axis on either side.
  const auto last = [&](const Tensor& x) {
    const int at = normalize_axis("vecdot", axis, x.ndim());
    Dims order;
    for (int k = 0; k < x.ndim(); ++k) {
      if (k != at) order.push_back(k);
    }
    order.push_back(at);
    return permute_dims(x, order);
  };
  const Tensor row = last(a), column = last(b);
  if (row.size(-1) != column.size(-1)) {
    fail(ErrorCode::kShape, "vecdot", "sizes along axis ", axis, " differ: ", describe(a), " and ",
         describe(b));
  }
  return squeeze(
      matmul(expand_dims(is_complex(a.dtype()) ? conj(row) : row, -2), expand_dims(column, -1)),
      {-2, -1});
}

Tensor outer(const Tensor& a, const Tensor& b) {
  check_defined("outer", a);
  check_defined("outer", b);
  if (a.ndim() != 1 || b.ndim() != 1) {
    fail(ErrorCode::kShape, "outer", "takes tensors of 1 dimension, not ", describe(a), " and ",
         describe(b), "; reshape({-1}) them");
  }
  return multiply(expand_dims(a, 1), b);
}

Tensor diagonal(const Tensor& x, int64_t offset) {
  check_defined("diagonal", x);
  if (x.ndim() < 2)
    fail(ErrorCode::kShape, "diagonal", "needs at least 2 dimensions, not ", describe(x));
  const int64_t rows = x.size(-2), columns = x.size(-1);
  int64_t first = 0, count = 0;
  if (offset < columns && offset > -rows) {
    first = offset >= 0 ? offset : -offset * columns;
    count = offset >= 0 ? std::min(rows, columns - offset) : std::min(rows + offset, columns);
  }
  Dims flat(x.shape());
  flat.resize(x.ndim() - 1);
  flat[x.ndim() - 2] = rows * columns;
  return slice(reshape(x, flat), -1, first,
               count > 0 ? first + (count - 1) * (columns + 1) + 1 : first, columns + 1);
}

Tensor trace(const Tensor& x, int64_t offset) { return sum(diagonal(x, offset), {-1}); }

}  // namespace tenon
