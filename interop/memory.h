// Tensors over the program's own memory without a copy, and a tensor's elements as a span.
//
//   Tensor a = from_vector(std::move(values), {2, 3});         // the vector is the tensor's now
//   Tensor b = from_span(std::span(buffer), {480, 640});       // borrowed: buffer outlives b's
//   views Tensor c = from_span(std::span<const float>(table));       // const: a read-only tensor
//   Tensor d = from_pointer(p, {n}, {}, [p] { std::free(p); }); // the deleter runs with the last
//   view Tensor e = from_pointer(m.data(), {m.rows(), m.cols()}, {1, m.rows()}, [] {});  // columns
//   first
//
//   std::span<const float> x = as_span<float>(a);              // no copy; a in row-major order
//   as_mutable_span<float>(a)[0] = 1;                          // counts as a write
//
// A write on either side is seen on the other. Element types are those of dtype.def (half floats as
// Half and BFloat16, complex ones as Complex64 and Complex128, which lie as std::complex does);
// std::vector<bool> holds bits and cannot be shared.
//
// - Ownership: as each line above says. What is borrowed must live until the last tensor, view,
//   array or exported struct on it is gone; the deleter runs once then, on whatever thread that is,
//   and must not throw. If a call fails, vector and deleter are as they were, and nothing was run.
// - Thread safety: as the tensors themselves.
// - Errors: kShape, kDType (not T's tensor), kDevice (not in host memory), kInvalidArgument
//   (not contiguous, misaligned or null memory), kReadOnly; nothing has changed.
#ifndef TENON_INTEROP_MEMORY_H_
#define TENON_INTEROP_MEMORY_H_

#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/tensor/tensor.h"

namespace tenon {
namespace detail {

// from_memory, after checking that memory and shape agree.
Tensor share_memory(std::string_view operation, const void* data, DType dtype, DimsView shape,
                    DimsView strides, bool read_only, void (*release)(void* context),
                    void* context);
// `count` elements fill the shape exactly, or kShape.
void check_count(std::string_view operation, int64_t count, DimsView shape);
// The first element of a tensor of this dtype whose elements lie in row-major order on the host.
const void* contiguous_data(std::string_view operation, const Tensor& t, DType dtype);

}  // namespace detail

// `data` is the element at index 0, .., 0; strides in elements, any sign, empty for row-major.
// `deleter` is called without arguments. const T makes a read-only tensor.
template <class T, class Deleter>
requires std::is_invocable_v<Deleter&> Tensor from_pointer(T* data, DimsView shape,
                                                           DimsView strides, Deleter deleter) {
  auto kept = std::make_unique<Deleter>(std::move(deleter));
  Tensor t = detail::share_memory(
      "from_pointer", data, dtype_of<std::remove_const_t<T>>(), shape, strides, std::is_const_v<T>,
      [](void* context) {
        const std::unique_ptr<Deleter> last(static_cast<Deleter*>(context));
        (*last)();
      },
      kept.get());
  (void)kept.release();
  return t;
}

// Borrowed elements in row-major order; without a shape, one axis.
template <class T>
Tensor from_span(std::span<T> values, DimsView shape) {
  detail::check_count("from_span", static_cast<int64_t>(values.size()), shape);
  return detail::share_memory("from_span", values.data(), dtype_of<std::remove_const_t<T>>(), shape,
                              {}, std::is_const_v<T>, nullptr, nullptr);
}
template <class T>
Tensor from_span(std::span<T> values) {
  const int64_t n = static_cast<int64_t>(values.size());
  return from_span(values, DimsView(&n, 1));
}

// The vector itself becomes the tensor's memory.
template <class T>
requires(!std::is_same_v<T, bool>) Tensor from_vector(std::vector<T>&& values, DimsView shape) {
  detail::check_count("from_vector", static_cast<int64_t>(values.size()), shape);
  auto kept = std::make_unique<std::vector<T>>();
  // An empty Tensor over the buffer first, so that a failure leaves `values` to the caller; moving
  // a vector keeps its buffer.
  Tensor t = detail::share_memory(
      "from_vector", values.data(), dtype_of<T>(), shape, {}, false,
      [](void* context) { delete static_cast<std::vector<T>*>(context); }, kept.get());
  *kept = std::move(values);
  (void)kept.release();
  return t;
}
template <class T>
requires(!std::is_same_v<T, bool>) Tensor from_vector(std::vector<T>&& values) {
  const int64_t n = static_cast<int64_t>(values.size());
  return from_vector(std::move(values), DimsView(&n, 1));
}

// All elements in row-major order. Good while a tensor of the storage lives.
template <class T>
std::span<const T> as_span(const Tensor& t) {
  return {static_cast<const T*>(detail::contiguous_data("as_span", t, dtype_of<T>())),
          static_cast<size_t>(t.size())};
}
// The call counts as one write to the storage; later writes through the span are not seen by
// version checks.
template <class T>
std::span<T> as_mutable_span(Tensor& t) {
  detail::contiguous_data("as_mutable_span", t, dtype_of<T>());
  return {static_cast<T*>(t.raw_mutable_data()), static_cast<size_t>(t.size())};
}

}  // namespace tenon

#endif  // TENON_INTEROP_MEMORY_H_
