// Tensors of nested values and of other tensors: tensor(rows), tensor({a, b}).
//
//   std::vector<std::vector<float>> rows = {{1, 2}, {3, 4}};
//   Tensor t = tensor(rows);                       // float32[2, 2], any depth of vectors
//   Tensor u = tensor({{{1.f}, {2.f}}, {{3.f}, {4.f}}});  // float32[2, 2, 1]
//   Tensor s = tensor({x, y, z});                  // stacked along a new first axis
//
// Always copies. A list of tensors keeps their graph: it is stack(), so that gradients flow back to
// those that require one; the dtypes promote. A single tensor gives a new leaf without its history.
//
// - Errors: kShape for ragged values, saying where; kDType, kDevice.
#ifndef TENON_INTEROP_NESTED_H_
#define TENON_INTEROP_NESTED_H_

#include <initializer_list>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "tenon/interop/sharing.h"
#include "tenon/tensor/tensor.h"

namespace tenon {

struct TensorOfTensorsOptions {
  DType dtype = DType::none;  // none: theirs, promoted. Values are checked as by the other doors.
  std::optional<Device> device = std::nullopt;  // unset: theirs, which must be one
  bool requires_grad = false;
};
Tensor tensor(std::span<const Tensor> tensors, const TensorOfTensorsOptions& options = {},
              interop::Report* report = nullptr);
inline Tensor tensor(std::initializer_list<Tensor> tensors,
                     const TensorOfTensorsOptions& options = {},
                     interop::Report* report = nullptr) {
  return tensor(std::span<const Tensor>(tensors.begin(), tensors.size()), options, report);
}
inline Tensor tensor(const std::vector<Tensor>& tensors, const TensorOfTensorsOptions& options = {},
                     interop::Report* report = nullptr) {
  return tensor(std::span<const Tensor>(tensors), options, report);
}
// A copy: a new leaf in row-major order.
Tensor tensor(const Tensor& other, const TensorOfTensorsOptions& options = {},
              interop::Report* report = nullptr);

namespace detail {

// What is at the bottom of vectors of vectors, and how deep.
template <class T>
struct Nested {
  using Value = T;
  static constexpr int kDepth = 0;
};
template <class T, class A>
struct Nested<std::vector<T, A>> {
  using Value = typename Nested<T>::Value;
  static constexpr int kDepth = 1 + Nested<T>::kDepth;
};
template <class T>
struct Nested<std::initializer_list<T>> {
  using Value = typename Nested<T>::Value;
  static constexpr int kDepth = 1 + Nested<T>::kDepth;
};
template <class T>
concept NestedNumbers = requires {
  DTypeOf<typename Nested<T>::Value>::value;
};

template <class Value, class List>
void flatten(const List& list, DimsView shape, int axis, std::vector<Value>* out) {
  if (static_cast<int64_t>(list.size()) != shape[static_cast<size_t>(axis)]) {
    fail(ErrorCode::kShape, "tensor", "expected sequence of length ",
         shape[static_cast<size_t>(axis)], " at dim ", axis, " (got ",
         static_cast<int64_t>(list.size()), "); all of one axis need one length");
  }
  if constexpr (Nested<List>::kDepth == 1) {
    for (const auto& value : list) out->push_back(static_cast<Value>(value));
  } else {
    for (const auto& part : list) flatten<Value>(part, shape, axis + 1, out);
  }
}

// The lengths along the first element of each level.
template <class List>
void first_lengths(const List& list, Dims* shape) {
  shape->push_back(static_cast<int64_t>(list.size()));
  if constexpr (Nested<List>::kDepth > 1) {
    if (list.size() != 0) return first_lengths(*list.begin(), shape);
    for (int i = 1; i < Nested<List>::kDepth; ++i) shape->push_back(0);
  }
}

template <class List>
Tensor tensor_of_nested(const List& list, Device device) {
  using Given = typename Nested<List>::Value;
  // A vector<bool> holds bits; a byte each is what a bool tensor takes.
  using Stored = std::conditional_t<std::is_same_v<Given, bool>, uint8_t, Given>;
  Dims shape;
  first_lengths(list, &shape);
  std::vector<Stored> flat;
  flatten<Stored>(list, shape, 0, &flat);
  return from_host(dtype_of<Given>(), shape, flat.data(), device);
}

}  // namespace detail

// Numbers in vectors of vectors.
template <class T>
requires detail::NestedNumbers<T> Tensor tensor(const std::vector<T>& values,
                                                Device device = Device()) {
  return detail::tensor_of_nested(values, device);
}

// Three levels of braces; one and two are in tensor.h.
template <class T>
requires detail::NestedNumbers<T> Tensor
tensor(std::initializer_list<std::initializer_list<std::initializer_list<T>>> values,
       Device device = Device()) {
  return detail::tensor_of_nested(values, device);
}

}  // namespace tenon

#endif  // TENON_INTEROP_NESTED_H_
