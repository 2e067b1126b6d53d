// Dims: up to 64 sizes or strides as one value, inline up to 8. Plus the pure arithmetic of shapes.
//
//   Dims shape{2, 3, 4};
//   Dims strides = contiguous_strides(shape);          // {12, 4, 1}
//   Dims both = broadcast_shapes("add", {2, 1}, {3});  // {2, 3}
//
// Nothing here knows memory or devices. Errors are tenon::Error and name the operation given.
#ifndef TENON_SHAPE_SHAPE_H_
#define TENON_SHAPE_SHAPE_H_

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace tenon {

inline constexpr int kMaxRank = 64;

// A loop, as a call of memcmp costs more than the few elements.
inline bool equal_sizes(const int64_t* a, int count, const int64_t* b, int other_count) noexcept {
  if (count != other_count) return false;
  for (int i = 0; i < count; ++i) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

// A small vector of int64. Copies are deep; ranks up to 8 never touch the heap. Like a vector, not
// thread-safe for concurrent writes.
class Dims {
 public:
  static constexpr int kInline = 8;

  Dims() noexcept : size_(0), data_(inline_) {}
  // NOLINTNEXTLINE(google-explicit-constructor)
  Dims(std::initializer_list<int64_t> values)
      : Dims(std::span<const int64_t>(values.begin(), values.size())) {}
  Dims(std::span<const int64_t> values) : Dims() {  // NOLINT(google-explicit-constructor)
    assign(values.data(), static_cast<int>(values.size()));
  }
  Dims(int count, int64_t value) : Dims() {
    resize(count);
    for (int i = 0; i < count; ++i) data_[i] = value;
  }
  Dims(const Dims& other) : Dims() { assign(other.data_, other.size_); }
  Dims(Dims&& other) noexcept : Dims() { take(other); }
  Dims& operator=(const Dims& other) {
    if (this != &other) assign(other.data_, other.size_);
    return *this;
  }
  Dims& operator=(Dims&& other) noexcept {
    if (this != &other) {
      release();
      take(other);
    }
    return *this;
  }
  ~Dims() { release(); }

  int size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  int64_t* data() noexcept { return data_; }
  const int64_t* data() const noexcept { return data_; }
  int64_t& operator[](int i) noexcept { return data_[i]; }
  int64_t operator[](int i) const noexcept { return data_[i]; }
  int64_t* begin() noexcept { return data_; }
  int64_t* end() noexcept { return data_ + size_; }
  const int64_t* begin() const noexcept { return data_; }
  const int64_t* end() const noexcept { return data_ + size_; }
  int64_t back() const noexcept { return data_[size_ - 1]; }
  operator std::span<const int64_t>() const noexcept {  // NOLINT(google-explicit-constructor)
    return {data_, static_cast<size_t>(size_)};
  }
  // New elements are unset. Throws when count exceeds kMaxRank.
  void resize(int count) {
    if (__builtin_expect(count > kInline, 0)) grow(count);
    size_ = count;
  }
  void push_back(int64_t value) {
    resize(size_ + 1);
    data_[size_ - 1] = value;
  }
  void insert(int at, int64_t value);
  void erase(int at);

  friend bool operator==(const Dims& a, const Dims& b) noexcept {
    return equal_sizes(a.data_, a.size_, b.data_, b.size_);
  }

 private:
  void assign(const int64_t* values, int count) {
    resize(count);
    // A loop, as a call of memcpy costs more than the few elements.
    for (int i = 0; i < count; ++i) data_[i] = values[i];
  }
  void take(Dims& other) noexcept {
    if (other.data_ != other.inline_) {
      data_ = other.data_;
      size_ = other.size_;
      other.data_ = other.inline_;
      other.size_ = 0;
    } else {
      size_ = other.size_;
      for (int i = 0; i < size_; ++i) inline_[i] = other.inline_[i];
    }
  }
  void grow(int count);  // to the heap, or throws
  void release() noexcept {
    if (data_ != inline_) delete[] data_;
    data_ = inline_;
    size_ = 0;
  }

  int size_;
  int64_t* data_;
  int64_t inline_[kInline];
};

// Somebody else's sizes, strides or axes: a span that can also be written {2, 3} in a call. As an
// argument only; it does not own what it shows.
class DimsView : public std::span<const int64_t> {
 public:
  using std::span<const int64_t>::span;
  // NOLINTNEXTLINE(google-explicit-constructor)
  DimsView(std::span<const int64_t> values) : std::span<const int64_t>(values) {}
  DimsView(const Dims& dims)  // NOLINT(google-explicit-constructor)
      : std::span<const int64_t>(dims.data(), static_cast<size_t>(dims.size())) {}
  DimsView(std::initializer_list<int64_t> values)  // NOLINT(google-explicit-constructor)
      : std::span<const int64_t>(values.begin(), values.size()) {}
};

inline bool equal_shapes(DimsView a, DimsView b) noexcept {
  return equal_sizes(a.data(), static_cast<int>(a.size()), b.data(), static_cast<int>(b.size()));
}

// "[2, 3]"
std::string shape_text(DimsView shape);

// Number of elements; throws kShape if a size is negative or the product overflows int64.
int64_t element_count(std::string_view operation, DimsView shape);

// Row-major strides in elements.
Dims contiguous_strides(DimsView shape);

// Axes of size 1 have any stride; a tensor without elements is contiguous.
bool is_contiguous(DimsView shape, DimsView strides);

// Some permutation of a row-major layout: positive strides, no gaps, no repeats.
bool is_dense(DimsView shape, DimsView strides);

// True if two different positions may be the same element: a stride 0 on an axis longer than 1, or
// strides that fold onto each other. Conservative for exotic strides (may say true).
bool may_self_overlap(DimsView shape, DimsView strides);

// -rank <= axis < rank, negative from the end; throws kAxis naming the rank.
int normalize_axis(std::string_view operation, int64_t axis, int rank);

// Each axis normalised; throws if one is named twice. An empty list means all axes when
// `empty_is_all`.
Dims normalize_axes(std::string_view operation, DimsView axes, int rank, bool empty_is_all);

// NumPy's rule; throws kShape with both shapes right-aligned and the wrong axis marked.
Dims broadcast_shapes(std::string_view operation, DimsView a, DimsView b);

// *a = broadcast_shapes(operation, *a, b), in place where b needs no more axes.
void broadcast_with(std::string_view operation, Dims* a, DimsView b);

// Strides that read a tensor of `shape`/`strides` as `target` (0 where broadcast); throws kShape.
Dims broadcast_strides(std::string_view operation, DimsView shape, DimsView strides,
                       DimsView target);
void broadcast_strides(std::string_view operation, DimsView shape, DimsView strides,
                       DimsView target, Dims* result);

// Resolves one -1 in `wanted` against `count` elements; throws kShape if they do not fit.
Dims resolve_shape(std::string_view operation, DimsView wanted, int64_t count);

// The strides under which `shape`/`strides` reads as `target` without copying; false if there are
// none.
bool view_strides(DimsView shape, DimsView strides, DimsView target, Dims* result);

// One axis of a slice as Python resolves it: start, step and how many.
struct SliceRange {
  int64_t start, step, count;
};
// start:stop:step with Python's rules (clamped, negative from the end, step may be negative but not
// 0). Unset is kUnset.
inline constexpr int64_t kUnset = INT64_MIN;
SliceRange resolve_slice(std::string_view operation, int64_t start, int64_t stop, int64_t step,
                         int64_t size);

// Merges neighbouring axes that all operands walk as one and drops axes of size 1, so that kernels
// see the fewest axes. `strides` holds one array per operand (index strides travel as one more).
// Axes merge only where their bits in `axis_mask` (may be null) agree; the mask is renumbered. In
// place; returns the new rank. Sizes must be positive.
int collapse_axes(int rank, int64_t* sizes, int n_operands, int64_t* const* strides,
                  uint64_t* axis_mask);

}  // namespace tenon

#endif  // TENON_SHAPE_SHAPE_H_
