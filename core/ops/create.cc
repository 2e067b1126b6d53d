#include "tenon/ops/create.h"

#include <algorithm>

#include "tenon/ops/elementwise.h"
#include "tenon/ops/views.h"
#include "tenon/tensor/launch.h"

namespace tenon {
namespace {

// column - row for each position of a matrix.
Tensor diagonal_numbers(int64_t rows, int64_t columns, Device device) {
  return subtract(arange(0, columns, 1, DType::int64, device),
                  expand_dims(arange(0, rows, 1, DType::int64, device), 1));
}

Tensor triangle(const char* name, const Tensor& x, int64_t k, bool lower) {
  if (!x.defined()) fail(ErrorCode::kInvalidArgument, name, "the tensor is undefined");
  if (x.ndim() < 2) fail(ErrorCode::kShape, name, "needs at least 2 dimensions, not ", describe(x));
  const Tensor number = diagonal_numbers(x.size(-2), x.size(-1), x.device());
  const Tensor kept = lower ? less_equal(number, k) : greater_equal(number, k);
  return where(kept, x, false);  // false takes any dtype
}

}  // namespace

Tensor full_like(const Tensor& t, Scalar value, DType dtype) {
  if (!t.defined()) fail(ErrorCode::kInvalidArgument, "full_like", "the tensor is undefined");
  return full(t.shape(), value, dtype == DType::none ? t.dtype() : dtype, t.device());
}

Tensor eye(int64_t rows, int64_t columns, int64_t k, DType dtype, Device device) {
  if (columns == kUnset) columns = rows;
  const int64_t shape[] = {rows, columns};
  element_count("eye", shape);  // refuses negative sizes
  return equal(diagonal_numbers(rows, columns, device), k).to(dtype);
}

Tensor linspace(Scalar start, Scalar stop, int64_t count, bool endpoint, DType dtype,
                Device device) {
  if (count < 0)
    fail(ErrorCode::kInvalidArgument, "linspace", "count is not negative, as ", count, " is");
  if (dtype == DType::none) dtype = kDefaultFloat;
  if (!is_integral(dtype) && !is_floating(dtype))
    fail(ErrorCode::kDType, "linspace", "makes floating and integer tensors, not ",
         dtype_name(dtype));
  if (is_integral(dtype)) {
    return floor(linspace(start, stop, count, endpoint, DType::float64, device)).to(dtype);
  }
  const int64_t shape[] = {count}, steps = endpoint ? count - 1 : count;
  const double first = start.to_double(), last = stop.to_double();
  Tensor t = empty(shape, dtype, device);
  raw_arange(t, first, steps > 0 ? (last - first) / static_cast<double>(steps) : 0.0);
  if (endpoint && count > 1) raw_fill(t[count - 1], last);
  return t;
}

Tensor tril(const Tensor& x, int64_t k) { return triangle("tril", x, k, true); }
Tensor triu(const Tensor& x, int64_t k) { return triangle("triu", x, k, false); }

std::vector<Tensor> meshgrid(std::span<const Tensor> axes, std::string_view indexing) {
  if (indexing != "xy" && indexing != "ij") {
    fail(ErrorCode::kInvalidArgument, "meshgrid", "indexing is 'xy' or 'ij', not '", indexing, "'");
  }
  const bool swapped = indexing == "xy" && axes.size() > 1;
  const auto place = [&](size_t i) { return static_cast<int>(swapped && i < 2 ? 1 - i : i); };
  Dims shape(static_cast<int>(axes.size()), 1);
  for (size_t i = 0; i < axes.size(); ++i) {
    if (!axes[i].defined())
      fail(ErrorCode::kInvalidArgument, "meshgrid", "axis ", i, " is undefined");
    if (axes[i].ndim() > 1) {
      fail(ErrorCode::kShape, "meshgrid", "axes have 1 dimension, not ", describe(axes[i]),
           "; reshape({-1}) it");
    }
    shape[place(i)] = axes[i].size();
  }
  std::vector<Tensor> out;
  for (size_t i = 0; i < axes.size(); ++i) {
    Dims own(shape.size(), 1);
    own[place(i)] = axes[i].size();
    out.push_back(broadcast_to(reshape(axes[i], own), shape));
  }
  return out;
}

}  // namespace tenon
