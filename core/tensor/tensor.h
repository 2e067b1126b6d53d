// Tensor: an n-dimensional array on some device, with a gradient if asked.
//
//   Tensor x = tensor({1.0f, 2.0f, 3.0f}).requires_grad_();
//   Tensor y = sum(x * x);
//   y.backward();
//   x.grad();                       // tensor([2., 4., 6.])
//
// A Tensor is a handle (one pointer): copying it shares the data, clone() copies the data. Views
// (reshape, slices with any step, permute_dims, broadcast_to) share the data too and are
// differentiable; a write through one is seen through all. A default-constructed Tensor is
// undefined: only defined() and assignment are allowed.
//
// Errors are tenon::Error and leave the arguments as they were. Threads: handles may be copied and
// read anywhere; two threads writing one tensor's data, or one writing what another reads, race, as
// with any array.
//
// Names follow the Array API; .item() .detach() .cpu() .cuda() .to() .grad() .backward() follow
// PyTorch.
#ifndef TENON_TENSOR_TENSOR_H_
#define TENON_TENSOR_TENSOR_H_

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "tenon/base/dtype.h"
#include "tenon/base/error.h"
#include "tenon/device/device.h"
#include "tenon/shape/shape.h"
#include "tenon/tensor/scalar.h"

namespace tenon {

struct TensorImpl;  // impl.h
class Tensor;

// One position of an index: an integer (drops the axis), a slice, a new axis, or the rest of the
// axes.
struct Slice {
  int64_t start = kUnset, stop = kUnset, step = kUnset;
};
class Index {
 public:
  enum class Kind { kInteger, kSlice, kNewAxis, kEllipsis };
  template <class T>
  requires std::is_integral_v<T> Index(T i)  // NOLINT(google-explicit-constructor)
      : kind(Kind::kInteger), integer(static_cast<int64_t>(i)) {}
  Index(Slice s) : kind(Kind::kSlice), slice(s) {}  // NOLINT(google-explicit-constructor)
  static Index new_axis() { return Index(Kind::kNewAxis); }
  static Index ellipsis() { return Index(Kind::kEllipsis); }
  Kind kind;
  int64_t integer = 0;
  Slice slice;

 private:
  explicit Index(Kind k) : kind(k) {}
};

class Tensor {
 public:
  Tensor() noexcept : impl_(nullptr) {}
  Tensor(const Tensor& other) noexcept;
  Tensor(Tensor&& other) noexcept : impl_(other.impl_) { other.impl_ = nullptr; }
  Tensor& operator=(const Tensor& other) noexcept;
  Tensor& operator=(Tensor&& other) noexcept {
    TensorImpl* taken = other.impl_;
    other.impl_ = impl_;
    impl_ = taken;
    return *this;
  }
  ~Tensor() {
    if (impl_) drop(impl_);
  }

  // --- what it is (core/tensor) ---
  bool defined() const { return impl_ != nullptr; }
  DType dtype() const;
  DimsView shape() const;
  DimsView strides() const;  // in elements, signed
  int ndim() const;
  int64_t size() const;  // number of elements
  int64_t size(int64_t axis) const;
  Device device() const;
  bool is_contiguous() const;
  bool read_only() const;
  // Do both look at the same bytes of the same storage in part (storage-level check: same storage)?
  bool shares_storage_with(const Tensor& other) const;
  // Counts writes to the storage, through any view.
  uint32_t version() const;

  // First element in host memory; throws kDevice if the device's memory is no host memory. The
  // pointer is good while a tensor of the storage lives. data<T>() throws kDType unless T is the
  // dtype; mutable_data() also counts as a write (read-only and version rules apply).
  const void* raw_data() const;
  void* raw_mutable_data();
  template <class T>
  const T* data() const {
    check_dtype("data", dtype_of<T>());
    return static_cast<const T*>(raw_data());
  }
  template <class T>
  T* mutable_data() {
    check_dtype("mutable_data", dtype_of<T>());
    return static_cast<T*>(raw_mutable_data());
  }

  // The one element of a tensor of any shape of one element, on any device. As an integer: exactly,
  // or kDType; as a float: rounded to it; as a complex number always; a complex element with an
  // imaginary part as a real number: kDType.
  template <class T>
  T item() const;
  double item() const;       // any real dtype
  std::string text() const;  // as printed: "tensor([1., 2., 3.])"

  // --- gradients ---
  bool requires_grad() const;
  Tensor& requires_grad_(bool value = true);  // leaf tensors only; floating dtypes only
  bool is_leaf() const;
  Tensor grad() const;                    // undefined if there is none
  void set_grad(const Tensor& gradient);  // undefined clears it
  // Accumulates d this / d leaf into every leaf's grad() (core/autograd). `gradient` has this
  // tensor's shape; may be left out for one element. The graph is freed unless retain_graph.
  void backward(const Tensor& gradient = Tensor(), bool retain_graph = false,
                bool create_graph = false) const;
  // The same data without history: shares storage and version, so that a later write is noticed.
  Tensor detach() const;
  const char* grad_fn_name() const;  // of the operation that made it; nullptr for a leaf
  // Called with the gradient of this tensor when it is computed; may return a replacement (or an
  // undefined tensor to keep it). Returns a number for remove_hook.
  int64_t register_hook(Tensor (*hook)(const Tensor& gradient, void* context), void* context,
                        void (*destroy)(void* context) = nullptr) const;
  void remove_hook(int64_t id) const;

  // --- copies (differentiable; core/ops) ---
  Tensor clone() const;       // keeps dense strides
  Tensor contiguous() const;  // itself if row-major already
  // Itself if already there, unless copy. With non_blocking the host need not wait: going to a
  // device, this tensor is kept alive but must not be written before the stream has read it; coming
  // from one, the values are there after synchronize(). Best from and into pinned memory; elsewhere
  // it may wait.
  Tensor to(Device device, bool copy = false, bool non_blocking = false) const;
  Tensor to(std::string_view device, bool copy = false, bool non_blocking = false) const {
    return to(Device(device), copy, non_blocking);
  }
  Tensor to(DType dtype, bool copy = false) const;
  Tensor astype(DType dtype) const { return to(dtype); }
  Tensor cpu() const;
  Tensor cuda(int index = 0) const;
  // A copy of a cpu tensor in memory from which `device` copies without staging; itself if it is in
  // such memory. kUnsupported where the device's backend has none.
  Tensor pin_memory(Device device) const;
  bool is_pinned() const;

  // --- views (core/ops/views.h has the free functions) ---
  Tensor reshape(DimsView shape) const;
  Tensor permute_dims(DimsView axes) const;
  Tensor transpose() const;  // swaps the last two axes
  Tensor broadcast_to(DimsView shape) const;
  Tensor at(std::initializer_list<Index> index) const;  // t.at({0, Slice{.step = -1}})
  Tensor operator[](int64_t i) const;

  // --- reductions (core/ops/reduce.h); an empty list of axes means all ---
  Tensor sum(DimsView axes = {}, bool keepdims = false) const;
  Tensor mean(DimsView axes = {}, bool keepdims = false) const;

  // --- in place (core/ops); writes through every view ---
  Tensor& copy_(const Tensor& source);  // broadcasts and casts
  Tensor& fill_(Scalar value);
  Tensor& zero_() { return fill_(0); }

  TensorImpl* impl() const { return impl_; }
  // Takes over one reference.
  static Tensor adopt(TensorImpl* impl) noexcept {
    Tensor t;
    t.impl_ = impl;
    return t;
  }
  TensorImpl* release() noexcept {
    TensorImpl* given = impl_;
    impl_ = nullptr;
    return given;
  }

 private:
  static void drop(TensorImpl* impl) noexcept;
  void check_dtype(std::string_view operation, DType wanted) const;
  TensorImpl* impl_;
};

extern template bool Tensor::item<bool>() const;
extern template int32_t Tensor::item<int32_t>() const;
extern template int64_t Tensor::item<int64_t>() const;
extern template float Tensor::item<float>() const;
extern template double Tensor::item<double>() const;
extern template uint8_t Tensor::item<uint8_t>() const;
extern template Complex64 Tensor::item<Complex64>() const;
extern template Complex128 Tensor::item<Complex128>() const;

// "float32[2, 3] on cpu": for messages.
std::string describe(const Tensor& t);

// --- making tensors (core/tensor/create.h has more)
// ------------------------------------------------------

Tensor empty(DimsView shape, DType dtype = kDefaultFloat, Device device = Device());
Tensor full(DimsView shape, Scalar value, DType dtype = DType::none, Device device = Device());
Tensor zeros(DimsView shape, DType dtype = kDefaultFloat, Device device = Device());
Tensor ones(DimsView shape, DType dtype = kDefaultFloat, Device device = Device());
Tensor empty_like(const Tensor& t);
Tensor zeros_like(const Tensor& t);
Tensor ones_like(const Tensor& t);
// start, start + step, ... below stop (above it for a negative step).
Tensor arange(Scalar start, Scalar stop, Scalar step = 1, DType dtype = DType::none,
              Device device = Device());

// A new tensor with these elements, row by row; the data is copied.
Tensor from_host(DType dtype, DimsView shape, const void* data, Device device = Device());
template <class T>
Tensor tensor(std::span<const T> values, DimsView shape, Device device = Device()) {
  if (static_cast<int64_t>(values.size()) != element_count("tensor", shape)) {
    fail(ErrorCode::kShape, "tensor", values.size(), " values do not fill shape ",
         shape_text(shape));
  }
  return from_host(dtype_of<T>(), shape, values.data(), device);
}
template <class T>
Tensor tensor(std::initializer_list<T> values, Device device = Device()) {
  const int64_t n = static_cast<int64_t>(values.size());
  return from_host(dtype_of<T>(), DimsView(&n, 1), values.begin(), device);
}
template <class T>
Tensor tensor(std::initializer_list<std::initializer_list<T>> rows, Device device = Device()) {
  std::vector<T> flat;
  const int64_t columns = rows.size() ? static_cast<int64_t>(rows.begin()->size()) : 0;
  for (const auto& row : rows) {
    if (static_cast<int64_t>(row.size()) != columns) {
      fail(ErrorCode::kShape, "tensor", "rows of ", columns, " and ", row.size(),
           " elements; all rows need one length");
    }
    flat.insert(flat.end(), row.begin(), row.end());
  }
  const int64_t shape[] = {static_cast<int64_t>(rows.size()), columns};
  return from_host(dtype_of<T>(), shape, flat.data(), device);
}
template <class T>
requires std::is_arithmetic_v<T> Tensor tensor(T value, Device device = Device()) {
  return from_host(dtype_of<T>(), {}, &value, device);
}

// A tensor over memory that somebody else owns, on the cpu: shares it. `release(context)` is called
// once, when the last tensor on it is gone. Strides in elements, any sign; `data` is the first
// element, `low` the lowest address of the memory that the strides reach (bytes in all).
Tensor from_memory(void* data, DType dtype, DimsView shape, DimsView strides, bool read_only,
                   void (*release)(void* context), void* context);
// The same over another library's memory on a device that is not the host: `memory` and `offset`
// (bytes) name the first element as the device's own API does (ABI: mem_import). `release` runs
// when the work that uses the memory is done, too. Errors name `operation`.
Tensor from_device_memory(Device device, void* memory, int64_t offset, DType dtype, DimsView shape,
                          DimsView strides, bool read_only, void (*release)(void* context),
                          void* context, std::string_view operation = "from_device_memory");

// --- scopes
// ------------------------------------------------------------------------------------------------

// No operation of this thread records a graph while one is alive.
class NoGradScope {
 public:
  NoGradScope();
  ~NoGradScope();
  NoGradScope(const NoGradScope&) = delete;
  NoGradScope& operator=(const NoGradScope&) = delete;

 private:
  bool previous_;
};
// Records even inside a NoGradScope.
class EnableGradScope {
 public:
  EnableGradScope();
  ~EnableGradScope();
  EnableGradScope(const EnableGradScope&) = delete;
  EnableGradScope& operator=(const EnableGradScope&) = delete;

 private:
  bool previous_;
};
bool grad_enabled();

}  // namespace tenon

#endif  // TENON_TENSOR_TENSOR_H_
