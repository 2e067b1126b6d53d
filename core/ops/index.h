// NumPy's indexing: integers, slices, new axes, an ellipsis, integer tensors and masks, together.
//
//   index(x, {0, Slice{.step = -1}})              a view, as x.at({..})
//   index(x, {Index::ellipsis(), rows, columns})  x[..., rows, columns]: a copy
//   index(x, {x > 0})                             the elements under the mask, 1-d: a copy
//   index_put_(x, {rows}, 0)                      x[rows] = 0
//   index_put_(x, {rows}, y, true)                x[rows] += y, rows named twice add up
//
// Integer tensors have any integer dtype, count from the end when negative and broadcast together.
// A mask (bool) has the sizes of the axes it stands for, as many as it has dimensions, and means
// the positions where it is true; a size of 0 fits every axis and means none. As soon as there is
// one tensor, the result is a copy and the shape that the tensors broadcast to stands where they
// stand; at the front if a slice, a new axis or an ellipsis separates them (integers count as
// tensors there, as in NumPy). Tensors may lie on the cpu when x does not: they are moved.
//
// Where a mask is on a device whose memory is no host memory, its positions are found on the host
// (counted as a fallback), because the shape of the result depends on them.
#ifndef TENON_OPS_INDEX_H_
#define TENON_OPS_INDEX_H_

#include <initializer_list>
#include <span>
#include <type_traits>
#include <utility>

#include "tenon/ops/operand.h"
#include "tenon/tensor/tensor.h"

namespace tenon {

// One position of an index. Holds its tensor.
class IndexItem {
 public:
  enum class Kind : uint8_t { kBasic, kBool, kTensor };
  IndexItem(Index i) : kind(Kind::kBasic), basic(i) {}  // NOLINT(google-explicit-constructor)
  IndexItem(Slice s) : IndexItem(Index(s)) {}           // NOLINT(google-explicit-constructor)
  // A bool is a mask of no axes: it adds one of size 1 (true) or 0 (false).
  template <class T>
  requires std::is_integral_v<T> IndexItem(T i)  // NOLINT(google-explicit-constructor)
      : kind(std::is_same_v<T, bool> ? Kind::kBool : Kind::kBasic), basic(i) {}
  // Integers or a mask.
  IndexItem(Tensor t)  // NOLINT(google-explicit-constructor)
      : kind(Kind::kTensor), basic(0), tensor(std::move(t)) {}

  Kind kind;
  Index basic;  // kBool: its integer is 0 or 1
  Tensor tensor;
};

// x[items]. Without tensors a view, else a copy. Differentiable to any order; elements named twice
// add up their gradients, always in the same order. An index out of range raises kAxis naming it.
Tensor index(const Tensor& x, std::span<const IndexItem> items);
Tensor index(const Tensor& x, std::initializer_list<IndexItem> items);

// x[items] = value, or += with `accumulate`; returns x. value is a number or a tensor on x's device
// that broadcasts to the shape of index(x, items) and is cast to x's dtype, as copy_() does. Of
// several values for one element the last in row-major order stays. Writes through every view;
// refuses what other in-place operations refuse (a leaf that requires a gradient, read-only
// memory), with nothing written. Differentiable in x and value: values that were overwritten get 0.
Tensor& index_put_(Tensor& x, std::span<const IndexItem> items, const Operand& value,
                   bool accumulate = false);
Tensor& index_put_(Tensor& x, std::initializer_list<IndexItem> items, const Operand& value,
                   bool accumulate = false);

// ... of a temporary view: index_put_(x[0], {rows}, 1).
inline Tensor index_put_(Tensor&& x, std::initializer_list<IndexItem> items, const Operand& value,
                         bool accumulate = false) {
  return index_put_(x, items, value, accumulate);
}

// The elements of x where mask is true, in row-major order, 1-d. Both broadcast to one shape.
Tensor masked_select(const Tensor& x, const Tensor& mask);

}  // namespace tenon

#endif  // TENON_OPS_INDEX_H_
