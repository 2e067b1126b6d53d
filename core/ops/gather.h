// Elements named by integer tensors, read and written: what take, index() and index_put_() stand
// on. For the floors above; not part of the public API.
#ifndef TENON_OPS_GATHER_H_
#define TENON_OPS_GATHER_H_

#include <vector>

#include "tenon/tensor/tensor.h"

namespace tenon {

// Integer tensors in the place of axes of some tensor x. They broadcast to `shape`, which stands
// before axis `position` of what is left of x's axes.
struct Selection {
  Dims axes;                    // of x; at least one
  std::vector<Tensor> indices;  // one per axis: int32 or int64, on x's device
  Dims shape;
  int position = 0;
  bool checked = false;   // no index is out of range
  bool distinct = false;  // no element is named twice
  // For messages, where x is but a view of what the caller indexed: that tensor, and its axes.
  const Tensor* indexed = nullptr;
  Dims named;
};
// The shape of the selected elements of a tensor of `shape`.
Dims selected_shape(DimsView shape, const Selection& s);

// An integer tensor as an index: int32 and int64 as they are, others as int64. `what` begins the
// message if it is no integer tensor.
Tensor as_indices(const char* name, const char* what, const Tensor& t);

// Throws kAxis naming the first index out of range; x is for the message.
void check_bounds(const char* name, const Tensor& x, const Selection& s);

// The selected elements, checked; differentiable.
Tensor gather(const char* name, const Tensor& x, const Selection& s);

// x[selection] = value, or += : x's memory is written, no bounds are checked, no record is made.
// value has x's dtype and the shape of the gathered elements, and shares no memory with x.
void scatter(const char* name, const Tensor& x, const Selection& s, const Tensor& value,
             bool accumulate);

// Zeros of `shape` with value added to the selected elements: the gradient of gather,
// differentiable.
Tensor scatter_into_zeros(const char* name, DimsView shape, const Selection& s,
                          const Tensor& value);

// x[.., index, ..] line by line: indices has x's sizes but along axis. Differentiable.
Tensor gather_along(const char* name, const Tensor& x, const Tensor& indices, int axis);

}  // namespace tenon

#endif  // TENON_OPS_GATHER_H_
