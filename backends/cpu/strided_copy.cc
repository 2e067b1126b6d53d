#include "backends/cpu/strided_copy.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "backends/cpu/host.h"
#include "backends/cpu/stream_store.h"
#include "backends/cpu/targets.h"
#include "backends/cpu/vectors-inl.h"

namespace tenon_cpu {
namespace {

struct Wide {
  uint64_t low, high;
};

// ---- lines into contiguous places, a vector of the baseline at a time; how many elements were
// moved ----

using HWY_NAMESPACE::kVectorBytes;
using HWY_NAMESPACE::Vector;

// x[::-1]: `src` is the first element taken, the last in memory.
template <class T, size_t... I>
int64_t Reverse(char* dst, const char* src, int64_t n, std::index_sequence<I...>) {
  int64_t i = 0;
  if constexpr (sizeof(T) == 1) {  // no instruction of the baseline moves single bytes in a vector
    for (; i + 8 <= n; i += 8) {
      uint64_t eight;
      std::memcpy(&eight, src - i - 7, 8);
      eight = __builtin_bswap64(eight);
      std::memcpy(dst + i, &eight, 8);
    }
    return i;
  }
  using V = typename Vector<T>::Type;
  for (; i + Vector<T>::kLanes <= n; i += Vector<T>::kLanes) {
    const V v = *reinterpret_cast<const V*>(src - (i + Vector<T>::kLanes - 1) * int64_t{sizeof(T)});
    *reinterpret_cast<V*>(dst + i * int64_t{sizeof(T)}) =
        __builtin_shufflevector(v, v, (Vector<T>::kLanes - 1 - static_cast<int64_t>(I))...);
  }
  return i;
}

// x[::2]. The element after the last one taken is not read: it may not be there.
template <class T, size_t... I>
int64_t EverySecond(char* dst, const char* src, int64_t n, std::index_sequence<I...>) {
  using V = typename Vector<T>::Type;
  int64_t i = 0;
  for (; i + Vector<T>::kLanes < n; i += Vector<T>::kLanes) {
    const char* const from = src + 2 * i * int64_t{sizeof(T)};
    const V low = *reinterpret_cast<const V*>(from),
            high = *reinterpret_cast<const V*>(from + kVectorBytes);
    *reinterpret_cast<V*>(dst + i * int64_t{sizeof(T)}) =
        __builtin_shufflevector(low, high, (2 * I)...);
  }
  return i;
}

template <class T>
void Line(char* dst, int64_t dst_stride, const char* src, int64_t src_stride, int64_t n) {
  constexpr int64_t item = sizeof(T);
  int64_t i = 0;
  if (dst_stride == item && src_stride == 0) {
    std::fill_n(reinterpret_cast<T*>(dst), n, *reinterpret_cast<const T*>(src));
    return;
  }
  if constexpr (item <= 8) {
    constexpr auto lanes = std::make_index_sequence<Vector<T>::kLanes>();
    if (dst_stride == item && src_stride == -item) i = Reverse<T>(dst, src, n, lanes);
    if (dst_stride == item && src_stride == 2 * item) i = EverySecond<T>(dst, src, n, lanes);
  }
  for (; i < n; ++i)
    *reinterpret_cast<T*>(dst + i * dst_stride) = *reinterpret_cast<const T*>(src + i * src_stride);
}

// Visits the elements of a block as lines along the innermost axis: visit(offset, n, done so far).
template <class Visit>
void ForEachLine(const Space& space, int operand, int64_t position, int64_t n, Visit&& visit) {
  const int inner = space.rank - 1;
  int64_t at[TENON_ABI_MAX_RANK];
  int64_t rest = position;
  int64_t offset = 0;
  for (int d = inner; d >= 0; --d) {
    at[d] = rest % space.sizes[d];
    rest /= space.sizes[d];
    offset += at[d] * space.strides[operand][d];
  }
  for (int64_t done = 0; done < n;) {
    const int64_t line = inner < 0 ? 1 : std::min(n - done, space.sizes[inner] - at[inner]);
    visit(offset, line, done);
    done += line;
    if (inner < 0) continue;
    at[inner] += line;
    offset += line * space.strides[operand][inner];
    for (int d = inner; d > 0 && at[d] == space.sizes[d]; --d) {
      offset += space.strides[operand][d - 1] - space.sizes[d] * space.strides[operand][d];
      at[d] = 0;
      ++at[d - 1];
    }
  }
}

// dst[i * dst_row + j * size] = src[i * size + j * src_row], in squares whose lines stay in the
// cache.
template <class T>
void TransposeTile(char* dst, int64_t dst_row, const char* src, int64_t src_row, int64_t rows,
                   int64_t columns, bool large) {
  const bool stream =
      large && (reinterpret_cast<uintptr_t>(dst) | static_cast<uintptr_t>(dst_row)) % 64 == 0;
  constexpr int64_t side = sizeof(T) < 4   ? 32
                           : sizeof(T) > 8 ? 8
                                           : 64 / sizeof(T);  // about a cache line of elements
  for (int64_t j0 = 0; j0 < columns; j0 += side) {
    const int64_t n = std::min(side, columns - j0);
    for (int64_t i0 = 0; i0 < rows; i0 += side) {
      const int64_t m = std::min(side, rows - i0);
      const char* from = src + i0 * static_cast<int64_t>(sizeof(T)) + j0 * src_row;
      char* to = dst + i0 * dst_row + j0 * static_cast<int64_t>(sizeof(T));
      if (m == side && n == side) {
        // Through a buffer: both sides then see whole lines, and the compiler unrolls the constant
        // loops.
        T square[side][side];
        for (int64_t j = 0; j < side; ++j) {
          std::memcpy(square[j], from + j * src_row, sizeof square[j]);
          if (large) __builtin_prefetch(from + (j + side) * src_row, 0, 2);
        }
        for (int64_t i = 0; i < side; ++i) {
          T line[side];
          for (int64_t j = 0; j < side; ++j) line[j] = square[j][i];
          if (sizeof line == 64 && stream)
            StreamStore(to + i * dst_row, reinterpret_cast<const char*>(line), 64);
          else
            std::memcpy(to + i * dst_row, line, sizeof line);
        }
      } else {
        for (int64_t i = 0; i < m; ++i) {
          for (int64_t j = 0; j < n; ++j) {
            *reinterpret_cast<T*>(to + i * dst_row + j * static_cast<int64_t>(sizeof(T))) =
                *reinterpret_cast<const T*>(from + i * static_cast<int64_t>(sizeof(T)) +
                                            j * src_row);
          }
        }
      }
    }
  }
}

void TransposeAny(char* dst, int64_t dst_row, const char* src, int64_t src_row, int64_t rows,
                  int64_t columns, int64_t item, bool large) {
  switch (item) {
    case 1:
      return TransposeTile<uint8_t>(dst, dst_row, src, src_row, rows, columns, large);
    case 2:
      return TransposeTile<uint16_t>(dst, dst_row, src, src_row, rows, columns, large);
    case 4:
      return TransposeTile<uint32_t>(dst, dst_row, src, src_row, rows, columns, large);
    case 8:
      return TransposeTile<uint64_t>(dst, dst_row, src, src_row, rows, columns, large);
    default:
      return TransposeTile<Wide>(dst, dst_row, src, src_row, rows, columns, large);
  }
}

// The axis along which operand 0 is dense, other than the innermost; -1: none.
int DenseSourceAxis(const Space& space, int64_t item) {
  if (space.rank < 2 || space.inner_stride(0) == item || space.inner_stride(1) != item) return -1;
  for (int d = 0; d < space.rank - 1; ++d) {
    if (space.strides[0][d] == item) return d;
  }
  return -1;
}

}  // namespace

void CopyLine(char* dst, int64_t dst_stride, const char* src, int64_t src_stride, int64_t item,
              int64_t n) {
  if (dst_stride == item && src_stride == item) {
    if (dst != src) std::memcpy(dst, src, static_cast<size_t>(n * item));
    return;
  }
  switch (item) {
    case 1:
      return Line<uint8_t>(dst, dst_stride, src, src_stride, n);
    case 2:
      return Line<uint16_t>(dst, dst_stride, src, src_stride, n);
    case 4:
      return Line<uint32_t>(dst, dst_stride, src, src_stride, n);
    case 8:
      return Line<uint64_t>(dst, dst_stride, src, src_stride, n);
    default:
      return Line<Wide>(dst, dst_stride, src, src_stride, n);
  }
}

void GatherBlock(char* dst, const Space& space, int operand, const char* base, int64_t position,
                 int64_t n, int64_t item) {
  const int64_t stride = space.inner_stride(operand);
  if (item == 4 && space.inner() < 16) {  // short lines: calls would cost more than they do
    ForEachLine(space, operand, position, n, [&](int64_t offset, int64_t line, int64_t done) {
      uint32_t* const to = reinterpret_cast<uint32_t*>(dst) + done;
      for (int64_t i = 0; i < line; ++i)
        to[i] = *reinterpret_cast<const uint32_t*>(base + offset + i * stride);
    });
    return;
  }
  ForEachLine(space, operand, position, n, [&](int64_t offset, int64_t line, int64_t done) {
    CopyLine(dst + done * item, item, base + offset, stride, item, line);
  });
}

void ScatterBlock(const char* src, const Space& space, int operand, char* base, int64_t position,
                  int64_t n, int64_t item) {
  const int64_t stride = space.inner_stride(operand);
  ForEachLine(space, operand, position, n, [&](int64_t offset, int64_t line, int64_t done) {
    CopyLine(base + offset, stride, src + done * item, item, item, line);
  });
}

void CopySpace(const Space& space, const char* src, char* dst, int64_t item) {
  constexpr int64_t kGrainBytes = 256 << 10;
  const int axis = DenseSourceAxis(space, item);
  if (axis < 0) {
    const int64_t inner = space.inner();
    const int64_t grain = std::max<int64_t>(1, kGrainBytes / item);
    ParallelFor(space.count, grain, [&](int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end;) {
        const int64_t line = std::min(end - at, inner - at % inner);
        CopyLine(dst + space.Offset(1, at), space.inner_stride(1), src + space.Offset(0, at),
                 space.inner_stride(0), item, line);
        at += line;
      }
    });
    return;
  }
  // Planes of (axis, innermost), cut into strips of rows.
  constexpr int64_t kStrip = 256;
  const int last = space.rank - 1;
  const int64_t rows = space.sizes[axis], columns = space.sizes[last];
  const int64_t strips = (rows + kStrip - 1) / kStrip;
  const int64_t planes = space.count / (rows * columns);
  const int64_t grain = std::max<int64_t>(1, kGrainBytes / (kStrip * columns * item));
  const bool large = space.count * item >= kStreamBytes;
  ParallelFor(planes * strips, grain, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; ++at) {
      int64_t plane = at / strips;
      const int64_t row = at % strips * kStrip;
      int64_t from = row * space.strides[0][axis], to = row * space.strides[1][axis];
      for (int d = last - 1; d >= 0; --d) {
        if (d == axis) continue;
        from += plane % space.sizes[d] * space.strides[0][d];
        to += plane % space.sizes[d] * space.strides[1][d];
        plane /= space.sizes[d];
      }
      TransposeAny(dst + to, space.strides[1][axis], src + from, space.strides[0][last],
                   std::min(kStrip, rows - row), columns, item, large);
    }
    if (large) StreamFence();
  });
}

}  // namespace tenon_cpu
