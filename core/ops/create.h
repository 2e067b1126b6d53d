// Making tensors of a pattern; tensor.h has the plain ones (zeros, full, arange).
#ifndef TENON_OPS_CREATE_H_
#define TENON_OPS_CREATE_H_

#include <span>
#include <string_view>
#include <vector>

#include "tenon/tensor/tensor.h"

namespace tenon {

// The shape and device of t; its dtype unless one is given.
Tensor full_like(const Tensor& t, Scalar value, DType dtype = DType::none);
// Ones on the k-th diagonal (above the main one for k > 0), zeros elsewhere. columns kUnset: as
// rows.
Tensor eye(int64_t rows, int64_t columns = kUnset, int64_t k = 0, DType dtype = kDefaultFloat,
           Device device = Device());
// `count` evenly spaced numbers from start to stop; without the end point, stop is one step beyond.
// Computed in float64; the first is start, the last stop, exactly. Without a dtype float32.
Tensor linspace(Scalar start, Scalar stop, int64_t count, bool endpoint = true,
                DType dtype = DType::none, Device device = Device());
// The triangle of the last two axes on and below (above) the k-th diagonal, zeros elsewhere.
// Differentiable.
Tensor tril(const Tensor& x, int64_t k = 0);
Tensor triu(const Tensor& x, int64_t k = 0);
// A grid's coordinates from its axes (1-d tensors): views of the shape [n0, n1, ..]. indexing "xy"
// swaps the first two axes, "ij" does not. Differentiable.
std::vector<Tensor> meshgrid(std::span<const Tensor> axes, std::string_view indexing = "xy");

}  // namespace tenon

#endif  // TENON_OPS_CREATE_H_
