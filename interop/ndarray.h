// NdArray: an array in host memory, with shared ownership. What files are read into and written
// from, and what the doors between Tenon and NumPy-like memory (doors.h) take and give.
//
//   NdArray a = NdArray::from_vector<float>({2, 3}, {1, 2, 3, 4, 5, 6});
//   float x = a.at<float>({1, 2});                 // 6, checked
//   for (float& v : a.mutable_values<float>()) v *= 2;
//
//   NdArray columns = NdArray::over({.data = p, .owner = keep_alive, .dtype = DType::float32,
//                                    .shape = {3, 2}, .byte_strides = {4, 12}, .read_only = true});
//
// It says everything NumPy can say about such memory: byte strides of any sign (0 and odd ones
// too), any alignment, read-only memory, foreign byte order. It computes nothing: convert it to a
// Tensor for that.
//
// - Ownership: the copy of an NdArray shares the memory, like NumPy's `a.view()`; `copy()` makes
//   new memory. The owner is released when the last NdArray that names it goes.
// - Thread safety: concurrent reads are safe, writes are the caller's race.
// - Errors: tenon::Error; a call that fails changes nothing.
#ifndef TENON_INTEROP_NDARRAY_H_
#define TENON_INTEROP_NDARRAY_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenon/base/dtype.h"
#include "tenon/base/error.h"
#include "tenon/shape/shape.h"

namespace tenon::interop {

// Memory described for NdArray::over. Strides are in bytes; left empty they mean C order.
struct NdArrayMemory {
  void* data = nullptr;  // the element at index 0, ..., 0; may be null without elements
  std::shared_ptr<const void> owner;  // keeps the memory; null where the caller sees to that
  DType dtype = DType::none;
  Dims shape;
  Dims byte_strides = {};
  bool read_only = false;
  bool byte_swapped = false;  // elements are in the other byte order than this machine's
};

class NdArray {
 public:
  // No elements, dtype `none`: a place to assign to.
  NdArray() = default;

  // New memory in C order, aligned to 64 bytes. Throws kShape for a negative or overflowing shape,
  // kOutOfMemory where the system gives none.
  static NdArray zeros(DType dtype, const Dims& shape);
  static NdArray uninitialized(DType dtype, const Dims& shape);

  // A view of memory that exists. The description is checked for consistency (rank of strides, null
  // data, extent representable); that the memory is there is the caller's word.
  static NdArray over(NdArrayMemory memory);

  // Takes the vector over (no copy, but for bool). Throws kShape when the sizes differ.
  template <class T>
  static NdArray from_vector(const Dims& shape, std::vector<T> values);

  DType dtype() const { return memory_.dtype; }
  const Dims& shape() const { return memory_.shape; }
  const Dims& byte_strides() const { return memory_.byte_strides; }
  int rank() const { return memory_.shape.size(); }
  int64_t size() const { return size_; }                         // elements
  int64_t nbytes() const { return size_ * item_size(dtype()); }  // what a dense copy takes
  bool read_only() const { return memory_.read_only; }
  bool byte_swapped() const { return memory_.byte_swapped; }
  const std::shared_ptr<const void>& owner() const { return memory_.owner; }

  const std::byte* data() const { return static_cast<const std::byte*>(memory_.data); }
  std::byte* mutable_data();  // throws kReadOnly

  // Strides of axes of length 0 and 1 never matter; without elements an array is contiguous.
  bool is_c_contiguous() const;
  bool is_f_contiguous() const;
  bool is_aligned() const;           // data and strides are multiples of the item's alignment
  bool has_element_strides() const;  // strides are multiples of the item size

  // The bytes touched are data() + [low, high).
  struct Extent {
    int64_t low = 0, high = 0;
  };
  Extent extent() const { return extent_; }

  // One element, converted to this machine's byte order. Any layout. Throws kDType when T is not
  // the dtype, kAxis for a wrong number of indices or one out of range (negative ones count from
  // the end).
  template <class T>
  T at(const Dims& index) const;
  template <class T>
  void set(const Dims& index, T value);  // throws kReadOnly too

  // All elements, where they lie in C order, aligned, in this machine's byte order; else throws
  // kInvalidArgument (`contiguous()` is the way out).
  template <class T>
  std::span<const T> values() const;
  template <class T>
  std::span<T> mutable_values();  // throws kReadOnly too

  // Writes all elements to `to` (nbytes() of them, not overlapping) in C order, this machine's byte
  // order; bools as 0 or 1.
  void copy_to(std::byte* to) const;
  // New memory, C order, this machine's byte order, writable.
  NdArray copy() const;
  // Itself when values() would work, else copy().
  NdArray contiguous() const;

 private:
  const std::byte* element(std::string_view operation, DType asked, const Dims& index) const;
  void check_plain(std::string_view operation, DType asked) const;
  void check_writable(std::string_view operation) const;

  NdArrayMemory memory_;
  int64_t size_ = 0;
  Extent extent_;
};

// The size in bytes of `shape` elements of `dtype`. Throws kShape for a negative size or a product
// that overflows; a size 0 does not excuse the others, as in NumPy.
int64_t checked_nbytes(std::string_view operation, DType dtype, const Dims& shape);

// The same without an error: false where it would throw, for callers with a message of their own.
bool count_nbytes(DType dtype, const Dims& shape, int64_t* bytes);

// Reverses the bytes of each element (of each part of a complex one) in place.
void swap_bytes(DType dtype, std::span<std::byte> elements);

// --- the templates --------------------------------------------------------------------------

template <class T>
NdArray NdArray::from_vector(const Dims& shape, std::vector<T> values) {
  const int64_t bytes = checked_nbytes("NdArray::from_vector", dtype_of<T>(), shape);
  if (bytes / item_size(dtype_of<T>()) != static_cast<int64_t>(values.size())) {
    fail(ErrorCode::kShape, "NdArray::from_vector", "shape ", shape_text(shape),
         " is invalid for input of size ", static_cast<int64_t>(values.size()),
         ": give as many values as the shape has elements");
  }
  if constexpr (std::is_same_v<T, bool>) {  // a vector<bool> holds bits
    NdArray out = uninitialized(DType::bool_, shape);
    for (size_t i = 0; i < values.size(); ++i) out.mutable_data()[i] = std::byte(values[i] ? 1 : 0);
    return out;
  } else {
    auto kept = std::make_shared<std::vector<T>>(std::move(values));
    return over({.data = kept->data(), .owner = kept, .dtype = dtype_of<T>(), .shape = shape});
  }
}

template <class T>
T NdArray::at(const Dims& index) const {
  const std::byte* from = element("NdArray::at", dtype_of<T>(), index);
  std::byte raw[sizeof(T)];
  std::memcpy(raw, from, sizeof(T));
  if (byte_swapped()) swap_bytes(dtype(), raw);
  if constexpr (std::is_same_v<T, bool>) {  // memory of others may hold other bytes than 0 and 1
    return raw[0] != std::byte(0);
  } else {
    T value;
    std::memcpy(static_cast<void*>(&value), raw, sizeof(T));
    return value;
  }
}

template <class T>
void NdArray::set(const Dims& index, T value) {
  check_writable("NdArray::set");
  const std::byte* to = element("NdArray::set", dtype_of<T>(), index);
  std::byte raw[sizeof(T)];
  std::memcpy(raw, static_cast<const void*>(&value), sizeof(T));
  if (byte_swapped()) swap_bytes(dtype(), raw);
  std::memcpy(const_cast<std::byte*>(to), raw, sizeof(T));  // not read-only: checked above
}

template <class T>
std::span<const T> NdArray::values() const {
  check_plain("NdArray::values", dtype_of<T>());
  return {reinterpret_cast<const T*>(data()), static_cast<size_t>(size_)};
}

template <class T>
std::span<T> NdArray::mutable_values() {
  check_writable("NdArray::mutable_values");
  check_plain("NdArray::mutable_values", dtype_of<T>());
  return {reinterpret_cast<T*>(mutable_data()), static_cast<size_t>(size_)};
}

}  // namespace tenon::interop

#endif  // TENON_INTEROP_NDARRAY_H_
