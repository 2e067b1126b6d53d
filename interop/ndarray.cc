#include "tenon/interop/ndarray.h"

#include <algorithm>
#include <cstdlib>
#include <string>

namespace tenon::interop {
namespace {

constexpr size_t kAlignment = 64;  // a cache line, and what Tenon's own allocators give

// Complex numbers are two floating ones to byte order and alignment.
int64_t part_size(DType dtype) {
  return is_complex(dtype) ? item_size(dtype) / 2 : item_size(dtype);
}

Dims c_order(DType dtype, const Dims& shape) {
  Dims strides(shape.size(), 0);
  int64_t step = item_size(dtype);
  for (int i = shape.size() - 1; i >= 0; --i) {
    strides[i] = step;
    step *= std::max<int64_t>(shape[i], 1);  // fits: checked_nbytes has been called
  }
  return strides;
}

// Whether the axes, visited from `first` by `step`, each stride over all elements of those before.
bool is_dense(const NdArray& a, int first, int step) {
  if (a.size() == 0) return true;
  int64_t expected = item_size(a.dtype());
  for (int n = 0, i = first; n < a.rank(); ++n, i += step) {
    if (a.shape()[i] == 1) continue;
    if (a.byte_strides()[i] != expected) return false;
    expected *= a.shape()[i];
  }
  return true;
}

NdArray::Extent checked_extent(const NdArrayMemory& m, int64_t size) {
  NdArray::Extent extent;
  if (size == 0) return extent;
  bool overflow = false;
  for (int i = 0; i < m.shape.size(); ++i) {
    int64_t reach = 0;
    overflow |= __builtin_mul_overflow(m.shape[i] - 1, m.byte_strides[i], &reach);
    int64_t& end = reach < 0 ? extent.low : extent.high;
    overflow |= __builtin_add_overflow(end, reach, &end);
  }
  overflow |= __builtin_add_overflow(extent.high, item_size(m.dtype), &extent.high);
  if (overflow) {
    fail(ErrorCode::kShape, "NdArray::over", "shape ", shape_text(m.shape), " with byte strides ",
         shape_text(m.byte_strides), " reaches beyond any memory");
  }
  return extent;
}

// Copies `count` pieces of `kBytes` (0: `bytes`), `stride` apart, to consecutive memory.
template <size_t kBytes>
void gather_row(const std::byte* from, int64_t stride, int64_t count, size_t bytes, std::byte* to) {
  const size_t n = kBytes == 0 ? bytes : kBytes;
  for (int64_t i = 0; i < count; ++i)
    std::memcpy(to + i * static_cast<int64_t>(n), from + i * stride, n);
}

// Writes the elements in row-major order to `to`, bytes as they are.
void gather(const NdArray& a, std::byte* to) {
  if (a.size() == 0) return;
  const Dims& shape = a.shape();
  const Dims& strides = a.byte_strides();
  // The innermost axes that are dense move as one block.
  int64_t block = item_size(a.dtype());
  int outer = a.rank();
  while (outer > 0 && (shape[outer - 1] == 1 || strides[outer - 1] == block))
    block *= shape[--outer];
  const size_t bytes = static_cast<size_t>(block);
  if (outer == 0) {
    std::memcpy(to, a.data(), bytes);
    return;
  }
  const int row_axis = outer - 1;
  const int64_t row = shape[row_axis], row_stride = strides[row_axis];
  auto copy_row = block == 1   ? gather_row<1>
                  : block == 2 ? gather_row<2>
                  : block == 4 ? gather_row<4>
                  : block == 8 ? gather_row<8>
                               : gather_row<0>;
  Dims index(row_axis, 0);
  int64_t offset = 0;
  while (true) {
    copy_row(a.data() + offset, row_stride, row, bytes, to);
    to += row * block;
    int axis = row_axis - 1;
    for (; axis >= 0; --axis) {
      offset += strides[axis];
      if (++index[axis] < shape[axis]) break;
      offset -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
    if (axis < 0) return;
  }
}

template <class Word>
void swap_words(std::span<std::byte> bytes) {
  for (size_t i = 0; i + sizeof(Word) <= bytes.size(); i += sizeof(Word)) {
    Word word;
    std::memcpy(&word, bytes.data() + i, sizeof(Word));
    if constexpr (sizeof(Word) == 2) word = __builtin_bswap16(word);
    if constexpr (sizeof(Word) == 4) word = __builtin_bswap32(word);
    if constexpr (sizeof(Word) == 8) word = __builtin_bswap64(word);
    std::memcpy(bytes.data() + i, &word, sizeof(Word));
  }
}

// `allocate(bytes)` gives memory for free().
template <class Allocate>
NdArray allocated(std::string_view operation, DType dtype, const Dims& shape, Allocate allocate) {
  const int64_t bytes = checked_nbytes(operation, dtype, shape);
  // Rounded up as aligned_alloc wants it; at least one line, so that data is never null.
  const uint64_t room =
      (static_cast<uint64_t>(std::max<int64_t>(bytes, 1)) + kAlignment - 1) & ~(kAlignment - 1);
  void* data = allocate(room);
  if (data == nullptr) {
    fail(ErrorCode::kOutOfMemory, operation, "the system has no ", bytes, " bytes for ",
         dtype_name(dtype), " ", shape_text(shape), ": free memory or work on parts");
  }
  std::shared_ptr<void> owner(data, std::free);
  return NdArray::over({.data = data, .owner = std::move(owner), .dtype = dtype, .shape = shape});
}

}  // namespace

bool count_nbytes(DType dtype, const Dims& shape, int64_t* bytes) {
  int64_t product = item_size(dtype);
  bool empty = false;
  for (int64_t size : shape) {
    if (size < 0) return false;
    if (size == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(product, size, &product)) {
      return false;
    }
  }
  *bytes = empty ? 0 : product;
  return product <= INT64_MAX - 4096;  // room for rounding up
}

int64_t checked_nbytes(std::string_view operation, DType dtype, const Dims& shape) {
  if (dtype == DType::none)
    fail(ErrorCode::kDType, operation, "an array needs a dtype, for example float32");
  int64_t bytes = 0;
  if (count_nbytes(dtype, shape, &bytes)) return bytes;
  if (std::any_of(shape.begin(), shape.end(), [](int64_t size) { return size < 0; })) {
    fail(ErrorCode::kShape, operation, "negative dimensions are not allowed: shape ",
         shape_text(shape));
  }
  fail(ErrorCode::kShape, operation, "array is too big: shape ", shape_text(shape), " of ",
       dtype_name(dtype), " has more bytes than an address can count");
}

void swap_bytes(DType dtype, std::span<std::byte> elements) {
  switch (part_size(dtype)) {
    case 2:
      return swap_words<uint16_t>(elements);
    case 4:
      return swap_words<uint32_t>(elements);
    case 8:
      return swap_words<uint64_t>(elements);
    default:
      return;
  }
}

NdArray NdArray::uninitialized(DType dtype, const Dims& shape) {
  return allocated("NdArray::uninitialized", dtype, shape,
                   [](uint64_t bytes) { return std::aligned_alloc(kAlignment, bytes); });
}

NdArray NdArray::zeros(DType dtype, const Dims& shape) {
  NdArray out = uninitialized(dtype, shape);
  std::memset(out.memory_.data, 0, static_cast<size_t>(out.nbytes()));
  return out;
}

NdArray NdArray::over(NdArrayMemory memory) {
  NdArray out;
  const int64_t bytes = checked_nbytes("NdArray::over", memory.dtype, memory.shape);
  out.size_ = bytes / item_size(memory.dtype);
  if (memory.byte_strides.empty()) memory.byte_strides = c_order(memory.dtype, memory.shape);
  if (memory.byte_strides.size() != memory.shape.size()) {
    fail(ErrorCode::kShape, "NdArray::over", "shape ", shape_text(memory.shape), " needs ",
         memory.shape.size(), " byte strides, got ", memory.byte_strides.size());
  }
  if (memory.data == nullptr && out.size_ != 0) {
    fail(ErrorCode::kInvalidArgument, "NdArray::over", "null memory for ", out.size_,
         " elements of shape ", shape_text(memory.shape));
  }
  if (part_size(memory.dtype) == 1) memory.byte_swapped = false;  // single bytes have no order
  out.extent_ = checked_extent(memory, out.size_);
  out.memory_ = std::move(memory);
  return out;
}

std::byte* NdArray::mutable_data() {
  check_writable("NdArray::mutable_data");
  return static_cast<std::byte*>(memory_.data);
}

bool NdArray::is_c_contiguous() const { return is_dense(*this, rank() - 1, -1); }
bool NdArray::is_f_contiguous() const { return is_dense(*this, 0, 1); }

bool NdArray::is_aligned() const {
  if (size_ == 0) return true;
  const int64_t alignment = part_size(dtype());
  if (reinterpret_cast<uintptr_t>(memory_.data) % static_cast<uintptr_t>(alignment) != 0)
    return false;
  for (int i = 0; i < rank(); ++i) {
    if (shape()[i] > 1 && byte_strides()[i] % alignment != 0) return false;
  }
  return true;
}

bool NdArray::has_element_strides() const {
  if (size_ == 0) return true;
  for (int i = 0; i < rank(); ++i) {
    if (shape()[i] > 1 && byte_strides()[i] % item_size(dtype()) != 0) return false;
  }
  return true;
}

void NdArray::copy_to(std::byte* to) const {
  gather(*this, to);
  const std::span<std::byte> written(to, static_cast<size_t>(nbytes()));
  if (byte_swapped()) swap_bytes(dtype(), written);
  if (dtype() == DType::bool_) {
    for (std::byte& b : written) b = std::byte(b != std::byte(0) ? 1 : 0);
  }
}

NdArray NdArray::copy() const {
  if (dtype() == DType::none) return {};
  NdArray out = uninitialized(dtype(), shape());
  copy_to(out.mutable_data());
  return out;
}

NdArray NdArray::contiguous() const {
  return is_c_contiguous() && is_aligned() && !byte_swapped() ? *this : copy();
}

const std::byte* NdArray::element(std::string_view operation, DType asked,
                                  const Dims& index) const {
  if (asked != dtype()) {
    fail(ErrorCode::kDType, operation, "the array holds ", dtype_name(dtype()), ", asked for ",
         dtype_name(asked));
  }
  if (index.size() != rank()) {
    fail(ErrorCode::kAxis, operation, "array is ", rank(), "-dimensional, but ", index.size(),
         " were indexed");
  }
  int64_t offset = 0;
  for (int i = 0; i < rank(); ++i) {
    const int64_t n = shape()[i];
    if (index[i] < -n || index[i] >= n) {
      fail(ErrorCode::kAxis, operation, "index ", index[i], " is out of bounds for axis ", i,
           " with size ", n);
    }
    offset += (index[i] < 0 ? index[i] + n : index[i]) * byte_strides()[i];
  }
  return data() + offset;
}

void NdArray::check_plain(std::string_view operation, DType asked) const {
  if (asked != dtype()) {
    fail(ErrorCode::kDType, operation, "the array holds ", dtype_name(dtype()), ", asked for ",
         dtype_name(asked));
  }
  const char* obstacle = !is_c_contiguous() ? "not in C order"
                         : !is_aligned()    ? "misaligned"
                         : byte_swapped()   ? "in foreign byte order"
                                            : nullptr;
  if (obstacle != nullptr) {
    fail(ErrorCode::kInvalidArgument, operation, "the array of shape ", shape_text(shape()), " is ",
         obstacle, ": call contiguous() first");
  }
}

void NdArray::check_writable(std::string_view operation) const {
  if (read_only()) {
    fail(ErrorCode::kReadOnly, operation,
         "assignment destination is read-only: copy() gives memory of your own");
  }
}

}  // namespace tenon::interop
