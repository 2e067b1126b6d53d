#include "tenon/ops/sort.h"

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <limits>
#include <numeric>
#include <type_traits>
#include <utility>

#include "tenon/device/fallback.h"
#include "tenon/ops/join.h"
#include "tenon/ops/views.h"
#include "tenon/tensor/impl.h"

namespace tenon {
namespace {

// ---- keys: unsigned numbers in the order of the elements ----

template <std::integral T>
auto key_of(T x) {
  using Key = std::make_unsigned_t<std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>>;
  constexpr Key least = static_cast<Key>(std::numeric_limits<T>::min());
  return static_cast<Key>(static_cast<Key>(x) - least);
}
// Equal elements have equal keys: -0 is 0, and all NaNs are one, the last.
template <std::floating_point T>
auto key_of(T x) {
  using Key = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
  constexpr Key sign = Key{1} << (8 * sizeof(T) - 1);
  if (x != x) return ~Key{0};
  const auto bits = std::bit_cast<Key>(x + T{0});
  return (bits & sign) != 0 ? ~bits : bits | sign;
}
template <NarrowFloat T>
auto key_of(T x) {
  return key_of(static_cast<float>(x));
}

template <class Key>
struct Entry {
  Key key;
  uint32_t position;
};

// The digits of a radix sort, and from how many elements on it is faster than comparisons: to clear
// and add up a counter costs as much as a tenth of an element (measured for 1, 4 and 8 bytes).
template <class Key>
struct Radix {
  static constexpr int kBits = sizeof(Key) <= 2 ? 8 : 11, kSize = 1 << kBits;
  static constexpr int kDigits = (8 * static_cast<int>(sizeof(Key)) + kBits - 1) / kBits;
  static constexpr int64_t kFrom = kDigits * kSize / 10;
};

// By digits from the lowest up, each time in a stable way: n entries, `other` is as long. Gives the
// one that holds the result. A digit that all keys share is left out, so small numbers in a wide
// dtype cost no more than in a narrow one.
template <class Key>
Entry<Key>* radix_sort(Entry<Key>* entries, Entry<Key>* other, int64_t n) {
  constexpr int bits = Radix<Key>::kBits, size = Radix<Key>::kSize, digits = Radix<Key>::kDigits;
  std::array<std::array<uint32_t, size>, digits> counts = {};
  const auto digit = [](Key key, int d) { return static_cast<size_t>(key >> (d * bits)) % size; };
  for (int64_t i = 0; i < n; ++i) {
    for (int d = 0; d < digits; ++d) ++counts[d][digit(entries[i].key, d)];
  }
  for (int d = 0; d < digits; ++d) {
    std::array<uint32_t, size>& places = counts[d];
    if (places[digit(entries[0].key, d)] == n) continue;
    uint32_t place = 0;
    for (uint32_t& count : places) place += std::exchange(count, place);
    for (int64_t i = 0; i < n; ++i) other[places[digit(entries[i].key, d)]++] = entries[i];
    std::swap(entries, other);
  }
  return entries;
}

// The positions of a line's n elements in order. `entries` has place for 2 n.
template <class T, class Key>
void sort_line(const T* line, int64_t n, bool descending, Entry<Key>* entries, int64_t* positions) {
  const Key flip = descending ? static_cast<Key>(~Key{0}) : Key{0};
  for (int64_t i = 0; i < n; ++i)
    entries[i] = {static_cast<Key>(key_of(line[i]) ^ flip), static_cast<uint32_t>(i)};
  if (n >= Radix<Key>::kFrom) {
    entries = radix_sort(entries, entries + n, n);
  } else {
    std::sort(entries, entries + n, [](const Entry<Key>& a, const Entry<Key>& b) {
      return a.key != b.key ? a.key < b.key : a.position < b.position;
    });
  }
  for (int64_t i = 0; i < n; ++i) positions[i] = entries[i].position;
}

// Lines whose positions do not fit an entry.
template <class T>
void sort_very_long_line(const T* line, int64_t n, bool descending, int64_t* positions) {
  std::iota(positions, positions + n, int64_t{0});
  std::stable_sort(positions, positions + n, [&](int64_t a, int64_t b) {
    return descending ? key_of(line[b]) < key_of(line[a]) : key_of(line[a]) < key_of(line[b]);
  });
}

// Each line of n elements on its own.
template <class T>
void sort_lines(const T* x, int64_t* positions, int64_t size, int64_t n, bool descending) {
  using Line = Entry<decltype(key_of(T()))>;
  if (n > std::numeric_limits<uint32_t>::max()) {
    for (int64_t start = 0; start < size; start += n)
      sort_very_long_line(x + start, n, descending, positions + start);
    return;
  }
  Tensor memory = empty({2 * n * static_cast<int64_t>(sizeof(Line))}, DType::uint8, Device());
  auto* const entries = reinterpret_cast<Line*>(memory.mutable_data<uint8_t>());
  for (int64_t start = 0; start < size; start += n)
    sort_line(x + start, n, descending, entries, positions + start);
}

}  // namespace

Tensor argsort(const Tensor& x, int64_t axis, bool descending) {
  if (!x.defined()) fail(ErrorCode::kInvalidArgument, "sort", "the tensor is undefined");
  const int at = normalize_axis("sort", axis, x.ndim()), last = x.ndim() - 1;
  if (is_complex(x.dtype()))
    fail(ErrorCode::kDType, "sort", describe(x), " has no order; sort by real(), imag() or abs()");
  check_computes("sort", x);
  DeviceState& device = x.impl()->device();
  if (!device.host_addressable) begin_fallback(device, "sort", "backends have no entry for it");
  NoGradScope constant;
  Dims order(x.ndim(), 0);
  std::iota(order.begin(), order.end(), 0);
  std::swap(order[at], order[last]);
  const Tensor lines = permute_dims(x, order).cpu().contiguous();
  Tensor positions = empty(lines.shape(), DType::int64, lines.device());
  if (lines.size() > 0) {
    visit_dtype(x.dtype(), [&]<class T>() {
      if constexpr (!std::is_same_v<T, Complex64> && !std::is_same_v<T, Complex128>) {
        sort_lines(lines.data<T>(), positions.mutable_data<int64_t>(), lines.size(), lines.size(-1),
                   descending);
      }
    });
  }
  return permute_dims(positions, order).contiguous().to(x.device()).detach();
}

Tensor sort(const Tensor& x, int64_t axis, bool descending) {
  const Tensor positions = argsort(x, axis, descending);
  return take_along_axis(x, positions, axis);
}

}  // namespace tenon
