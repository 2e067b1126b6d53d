#include "tenon/tensor/tensor.h"

#include <cstring>

#include "tenon/device/copy.h"
#include "tenon/tensor/impl.h"
#include "tenon/tensor/launch.h"

namespace tenon {
namespace {

// A tensor with small storage is one block: [TensorImpl | Storage | data]. destroy_storage()
// returns it, from the storage's address, when the last view is gone.
constexpr size_t kStorageAt = kEmbeddedStorageAt, kDataAt = kStorageAt + 128;
static_assert(sizeof(TensorImpl) <= kStorageAt && sizeof(Storage) <= kDataAt - kStorageAt);
static_assert(kDataAt + kEmbeddedData <= detail::kBlockSizes[2]);
constexpr uint8_t kEmbeddedBlock = 255;

TensorImpl* init_impl(void* memory, uint8_t block_class, DType dtype, int rank) {
  auto* t = new (memory) TensorImpl;
  t->references.store(1, std::memory_order_relaxed);
  t->dtype = dtype;
  t->rank = static_cast<uint8_t>(rank);
  t->block_class = block_class;
  t->node = nullptr;
  t->output_index = 0;
  t->base_version = 0;
  t->base = nullptr;
  t->offset = 0;
  if (__builtin_expect(rank <= Dims::kInline, 1)) {
    t->sizes = t->inline_dims;
    t->strides = t->inline_dims + Dims::kInline;
  } else {
    t->sizes = new int64_t[2 * static_cast<size_t>(rank)];
    t->strides = t->sizes + rank;
  }
  return t;
}

void set_layout(TensorImpl* t, DimsView shape, DimsView strides) {
  uint64_t size = 1;  // wraps beside a size 0 only
  bool empty = false, contiguous = true;
  for (int i = t->rank - 1; i >= 0; --i) {
    const int64_t own = shape[static_cast<size_t>(i)], step = strides[static_cast<size_t>(i)];
    t->sizes[i] = own;
    t->strides[i] = step;
    contiguous &= own == 1 || step == static_cast<int64_t>(size);
    size *= static_cast<uint64_t>(own);
    empty |= own == 0;
  }
  t->size = empty ? 0 : static_cast<int64_t>(size);
  t->contiguous = contiguous || empty;
}

// Row-major strides for sizes already set; returns the number of elements. Overflow was checked.
int64_t set_contiguous(TensorImpl* t, DimsView shape) {
  uint64_t step = 1;  // wraps beside a size 0 only
  bool empty = false;
  for (int i = t->rank - 1; i >= 0; --i) {
    t->sizes[i] = shape[i];
    t->strides[i] = static_cast<int64_t>(step);
    if (shape[i] > 0) {
      step *= static_cast<uint64_t>(shape[i]);
    } else {
      empty = true;
    }
  }
  t->contiguous = true;
  return t->size = empty ? 0 : static_cast<int64_t>(step);
}

TensorImpl* allocate_impl(DeviceState& device, DType dtype, DimsView shape) {
  const int rank = static_cast<int>(shape.size());
  int64_t count = 1, bytes;
  bool plain = rank <= kMaxRank;
  for (const int64_t size : shape)
    plain &= size > 0 && !__builtin_mul_overflow(count, size, &count);
  if (__builtin_expect(!plain, 0))
    count = element_count("empty", shape);  // 0, or says what is wrong
  if (__builtin_mul_overflow(count, item_size(dtype), &bytes)) {
    fail(ErrorCode::kOutOfMemory, "empty", "a ", dtype_name(dtype), " tensor of shape ",
         shape_text(shape), " exceeds 2^63 bytes");
  }
  TensorImpl* t;
  if (device.host_addressable && bytes <= static_cast<int64_t>(kEmbeddedData)) {
    auto* block = static_cast<std::byte*>(detail::take_block(2));
    t = init_impl(block, kEmbeddedBlock, dtype, rank);
    auto* s = new (block + kStorageAt) Storage;
    s->references.store(1, std::memory_order_relaxed);
    s->version.store(0, std::memory_order_relaxed);
    s->kind = Storage::kEmbedded;
    s->read_only = false;
    s->externally_writable = false;
    s->last_writer.store(nullptr, std::memory_order_relaxed);
    s->device = &device;
    s->home = device.default_stream;
    s->memory.buffer = reinterpret_cast<uint64_t>(block + kDataAt);
    s->memory.offset = 0;
    s->memory.block = nullptr;
    s->bytes = static_cast<uint64_t>(bytes);
    t->storage = s;
  } else {
    Storage* s = new_storage(device, static_cast<uint64_t>(bytes));
    t = init_impl(detail::take_block(0), 0, dtype, rank);
    t->storage = s;
  }
  return t;
}

}  // namespace

Tensor new_tensor(DeviceState& device, DType dtype, DimsView shape) {
  TensorImpl* t = allocate_impl(device, dtype, shape);
  set_contiguous(t, shape);
  return Tensor::adopt(t);
}

Tensor new_tensor_strided(DeviceState& device, DType dtype, DimsView shape, DimsView strides) {
  TensorImpl* t = allocate_impl(device, dtype, shape);
  set_layout(t, shape, strides);
  return Tensor::adopt(t);
}

Tensor adopt_storage(Storage* storage, DType dtype, DimsView shape, DimsView strides,
                     int64_t offset) {
  TensorImpl* t = init_impl(detail::take_block(0), 0, dtype, static_cast<int>(shape.size()));
  t->storage = storage;
  set_layout(t, shape, strides);
  t->offset = offset;
  return Tensor::adopt(t);
}

Tensor alias(const Tensor& x, DType dtype, DimsView shape, DimsView strides, int64_t offset) {
  Tensor t = adopt_storage(x.impl()->storage, dtype, shape, strides, offset);
  retain(x.impl()->storage);
  return t;
}

Tensor alias(const Tensor& x) {
  const TensorImpl* i = x.impl();
  return alias(x, i->dtype, i->shape_view(), i->strides_view(), i->offset);
}

Tensor bits_of_float8(const Tensor& x) {
  if (!is_float8(x.dtype())) return x;
  return alias(x, DType::uint8, x.shape(), x.strides(), x.impl()->offset);
}

void check_computes(std::string_view operation, const Tensor& x) {
  if (__builtin_expect(is_float8(x.dtype()), 0)) {
    fail(ErrorCode::kDType, operation, "is not defined for ", describe(x), ": ", kFloat8Advice);
  }
}

void destroy_tensor(TensorImpl* t) noexcept {
  if (t->node) release(t->node);
  if (__builtin_expect(t->rank > Dims::kInline, 0)) delete[] t->sizes;
  Storage* storage = t->storage;
  TensorImpl* base = t->base;
  if (t->block_class != kEmbeddedBlock) detail::return_block(t, t->block_class);
  if (base) {
    release(base);  // which holds the storage for its views
  } else {
    release(storage);  // returns the shared block of an embedded one
  }
}

Tensor::Tensor(const Tensor& other) noexcept : impl_(other.impl_) {
  if (impl_) retain(impl_);
}

// Of itself too: retained before it is released.
// NOLINTNEXTLINE(bugprone-unhandled-self-assignment)
Tensor& Tensor::operator=(const Tensor& other) noexcept {
  if (other.impl_) retain(other.impl_);
  TensorImpl* old = impl_;
  impl_ = other.impl_;
  if (old) tenon::release(old);
  return *this;
}

void Tensor::drop(TensorImpl* impl) noexcept { tenon::release(impl); }

DType Tensor::dtype() const { return impl_->dtype; }
DimsView Tensor::shape() const { return impl_->shape_view(); }
DimsView Tensor::strides() const { return impl_->strides_view(); }
int Tensor::ndim() const { return impl_->rank; }
int64_t Tensor::size() const { return impl_->size; }
int64_t Tensor::size(int64_t axis) const {
  return impl_->sizes[normalize_axis("size", axis, impl_->rank)];
}
Device Tensor::device() const { return Device(impl_->device()); }
bool Tensor::is_contiguous() const { return impl_->contiguous; }
bool Tensor::read_only() const { return impl_->storage->read_only; }
bool Tensor::shares_storage_with(const Tensor& other) const {
  return impl_->storage == other.impl_->storage;
}
uint32_t Tensor::version() const { return impl_->storage->version.load(std::memory_order_acquire); }

void Tensor::check_dtype(std::string_view operation, DType wanted) const {
  if (dtype() != wanted) {
    fail(ErrorCode::kDType, operation, "the tensor is ", dtype_name(dtype()), ", not ",
         dtype_name(wanted), "; convert it with astype()");
  }
}

const void* Tensor::raw_data() const {
  if (!impl_->device().host_addressable) {
    fail(ErrorCode::kDevice, "data", "memory of ", impl_->device().text,
         " cannot be read by host code; use cpu() first");
  }
  return reinterpret_cast<const void*>(impl_->storage->memory.buffer + impl_->byte_offset());
}

void* Tensor::raw_mutable_data() {
  const void* data = raw_data();
  if (read_only()) {
    fail(ErrorCode::kReadOnly, "mutable_data", describe(*this),
         " is read-only (it shares memory that may only be read); clone() it first");
  }
  note_write(*this, "mutable_data");
  return const_cast<void*>(data);
}

std::string describe(const Tensor& t) {
  if (!t.defined()) return "undefined tensor";
  return concat_text(dtype_name(t.dtype()), shape_text(t.shape()), " on ", t.impl()->device().text);
}

// ---- item
// ---------------------------------------------------------------------------------------------------------

namespace {

void read_element(const Tensor& t, void* element) {
  if (!t.defined()) fail(ErrorCode::kInvalidArgument, "item", "the tensor is undefined");
  const TensorImpl* i = t.impl();
  if (i->size != 1) {
    fail(ErrorCode::kShape, "item", "a Tensor with ", i->size,
         " elements cannot be converted to Scalar; pick one by index, or reduce it first");
  }
  const auto bytes = static_cast<size_t>(item_size(i->dtype));
  if (__builtin_expect(i->device().host_addressable, 1)) {
    std::memcpy(element,
                reinterpret_cast<const void*>(i->storage->memory.buffer + i->byte_offset()), bytes);
    return;
  }
  StreamState& stream = current_stream(i->device());
  use_on_stream(*i->storage, stream);
  copy_to_host(stream, element, i->storage->memory.buffer, i->byte_offset(), bytes);
}

template <class T>
constexpr bool kIsComplex = std::is_same_v<T, Complex64> || std::is_same_v<T, Complex128>;

}  // namespace

template <class T>
T Tensor::item() const {
  alignas(16) std::byte element[16];
  read_element(*this, element);
  return visit_dtype(dtype(), [&]<class E>() -> T {
    E value;
    std::memcpy(&value, element, sizeof value);
    if constexpr (kIsComplex<T>) {
      if constexpr (kIsComplex<E>) {
        return T{static_cast<decltype(T::real)>(value.real),
                 static_cast<decltype(T::imag)>(value.imag)};
      } else {
        return T{static_cast<decltype(T::real)>(value), 0};
      }
    } else if constexpr (kIsComplex<E>) {
      if (value.imag != 0) {
        fail(ErrorCode::kDType, "item",
             "the element is complex with an imaginary part; read it as a complex number");
      }
      return static_cast<T>(value.real);
    } else if constexpr (std::is_integral_v<T> &&
                         (std::is_floating_point_v<E> || std::is_class_v<E>)) {
      const auto real = static_cast<double>(value);
      const T converted = static_cast<T>(Scalar(real).to_int64());
      if (static_cast<double>(converted) != real ||
          real == 0x1p63) {  // 2^63 saturates to 2^63 - 1, which rounds back
        fail(ErrorCode::kDType, "item", "the element ", real,
             " is not an integer of the type asked for; read it as a double");
      }
      return converted;
    } else if constexpr (std::is_integral_v<T> && std::is_integral_v<E>) {
      const T converted = static_cast<T>(value);
      if (static_cast<E>(converted) != value || (converted < T(0)) != (value < E(0))) {
        fail(ErrorCode::kDType, "item", "the element ", value, " does not fit the type asked for");
      }
      return converted;
    } else {
      return static_cast<T>(value);
    }
  });
}
template bool Tensor::item<bool>() const;
template int32_t Tensor::item<int32_t>() const;
template int64_t Tensor::item<int64_t>() const;
template float Tensor::item<float>() const;
template double Tensor::item<double>() const;
template uint8_t Tensor::item<uint8_t>() const;
template Complex64 Tensor::item<Complex64>() const;
template Complex128 Tensor::item<Complex128>() const;
double Tensor::item() const { return item<double>(); }

}  // namespace tenon
