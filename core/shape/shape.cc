#include "tenon/shape/shape.h"

#include <algorithm>
#include <cstdlib>

#include "tenon/base/error.h"

namespace tenon {

void Dims::grow(int count) {
  if (count > kMaxRank) {
    fail(ErrorCode::kShape, "shape", "a tensor has at most ", kMaxRank, " dimensions, not ", count);
  }
  if (data_ != inline_) return;
  auto* grown = new int64_t[kMaxRank];
  std::copy_n(inline_, size_, grown);
  data_ = grown;
}

void Dims::insert(int at, int64_t value) {
  resize(size_ + 1);
  std::copy_backward(data_ + at, data_ + size_ - 1, data_ + size_);
  data_[at] = value;
}

void Dims::erase(int at) {
  std::copy(data_ + at + 1, data_ + size_, data_ + at);
  --size_;
}

std::string shape_text(DimsView shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i) out += ", ";
    out += std::to_string(shape[i]);
  }
  return out += "]";
}

int64_t element_count(std::string_view operation, DimsView shape) {
  if (shape.size() > static_cast<size_t>(kMaxRank)) {
    fail(ErrorCode::kShape, operation, "a tensor has at most ", kMaxRank, " dimensions, not ",
         shape.size());
  }
  int64_t count = 1;
  bool empty = false;
  for (int64_t size : shape) {
    if (size < 0) fail(ErrorCode::kShape, operation, "negative size in shape ", shape_text(shape));
    empty |= size == 0;
  }
  if (empty) return 0;
  for (int64_t size : shape) {
    if (__builtin_mul_overflow(count, size, &count)) {
      fail(ErrorCode::kShape, operation, "shape ", shape_text(shape),
           " has more than 2^63 - 1 elements");
    }
  }
  return count;
}

Dims contiguous_strides(DimsView shape) {
  Dims strides;
  strides.resize(static_cast<int>(shape.size()));
  uint64_t step = 1;  // wraps in a tensor without elements only, where strides mean nothing
  for (int i = static_cast<int>(shape.size()) - 1; i >= 0; --i) {
    strides[i] = static_cast<int64_t>(step);
    step *= static_cast<uint64_t>(std::max<int64_t>(shape[i], 1));
  }
  return strides;
}

bool is_contiguous(DimsView shape, DimsView strides) {
  uint64_t step = 1;  // wraps before a size 0 only
  bool contiguous = true;
  for (int i = static_cast<int>(shape.size()) - 1; i >= 0; --i) {
    if (shape[i] == 0) return true;
    if (shape[i] == 1) continue;
    contiguous &= strides[i] == static_cast<int64_t>(step);
    step *= static_cast<uint64_t>(shape[i]);
  }
  return contiguous;
}

bool is_dense(DimsView shape, DimsView strides) {
  // Each step finds the axis with the next stride; ranks are small.
  int64_t expected = 1;
  uint64_t done = 0;
  for (size_t round = 0; round < shape.size(); ++round) {
    size_t found = shape.size();
    for (size_t i = 0; i < shape.size(); ++i) {
      if (done >> i & 1) continue;
      if (shape[i] == 1 || strides[i] == expected) {
        found = i;
        break;
      }
    }
    if (found == shape.size() || shape[found] == 0) return false;
    done |= uint64_t{1} << found;
    expected *= shape[found];
  }
  return true;
}

bool may_self_overlap(DimsView shape, DimsView strides) {
  // Sorted by |stride|, each axis must step over everything the smaller ones reach.
  struct Axis {
    int64_t stride, size;
  };
  Axis axes[kMaxRank];
  int n = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0) return false;
    if (shape[i] > 1) axes[n++] = {std::abs(strides[i]), shape[i]};
  }
  std::sort(axes, axes + n, [](const Axis& a, const Axis& b) { return a.stride < b.stride; });
  int64_t reach = 0;
  for (int i = 0; i < n; ++i) {
    if (axes[i].stride <= reach) return true;
    reach += axes[i].stride * (axes[i].size - 1);
  }
  return false;
}

int normalize_axis(std::string_view operation, int64_t axis, int rank) {
  if (axis < -rank || axis >= rank) {
    if (rank == 0)
      fail(ErrorCode::kAxis, operation, "axis ", axis,
           " does not exist: the tensor is 0-dimensional");
    fail(ErrorCode::kAxis, operation, "axis ", axis, " is out of range: expected ", -rank, " to ",
         rank - 1, " for a tensor of ", rank, rank == 1 ? " dimension" : " dimensions");
  }
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

Dims normalize_axes(std::string_view operation, DimsView axes, int rank, bool empty_is_all) {
  Dims out;
  if (axes.empty() && empty_is_all) {
    out.resize(rank);
    for (int i = 0; i < rank; ++i) out[i] = i;
    return out;
  }
  uint64_t seen = 0;
  for (int64_t axis : axes) {
    const int a = normalize_axis(operation, axis, rank);
    if (seen >> a & 1)
      fail(ErrorCode::kAxis, operation, "axis ", axis, " is named twice in ", shape_text(axes));
    seen |= uint64_t{1} << a;
    out.push_back(a);
  }
  return out;
}

namespace {

// Both shapes, their axes under each other from the right, and a line that marks axis `marked` of
// the result.
[[gnu::cold]] std::string aligned_shapes(DimsView a, DimsView b, size_t marked) {
  const size_t rank = std::max(a.size(), b.size());
  const auto size_text = [&](DimsView shape, size_t axis) {
    const size_t lead = rank - shape.size();
    return axis < lead ? std::string() : std::to_string(shape[axis - lead]);
  };
  std::string lines[3];
  for (size_t axis = 0; axis < rank; ++axis) {
    const size_t width = std::max(size_text(a, axis).size(), size_text(b, axis).size());
    for (int k = 0; k < 2; ++k) {
      const std::string size = size_text(k ? b : a, axis);
      const size_t lead = rank - (k ? b : a).size();
      lines[k] += std::string(axis ? (axis > lead ? ", " : " ") : "") + (axis == lead  ? "["
                                                                         : axis < lead ? " "
                                                                                       : "");
      lines[k] += std::string(width - size.size(), ' ') + size;
    }
    lines[2] += std::string(axis ? 2 : 1, ' ') + std::string(width, axis == marked ? '^' : ' ');
  }
  while (lines[2].back() == ' ') lines[2].pop_back();
  return "  " + lines[0] + "]\n  " + lines[1] + "]\n  " + lines[2];
}

}  // namespace

Dims broadcast_shapes(std::string_view operation, DimsView a, DimsView b) {
  const int ra = static_cast<int>(a.size()), rb = static_cast<int>(b.size()),
            rank = std::max(ra, rb);
  Dims out;
  out.resize(rank);
  for (int i = 0; i < rank; ++i) {
    const int64_t sa = i < rank - ra ? 1 : a[i - (rank - ra)];
    const int64_t sb = i < rank - rb ? 1 : b[i - (rank - rb)];
    if (sa == sb || sb == 1) {
      out[i] = sa;
    } else if (sa == 1) {
      out[i] = sb;
    } else {
      // Mark the first axis that does not fit, counted from the right as the rule counts.
      int worst = i;
      for (int j = i; j < rank; ++j) {
        const int64_t ja = j < rank - ra ? 1 : a[j - (rank - ra)],
                      jb = j < rank - rb ? 1 : b[j - (rank - rb)];
        if (ja != jb && ja != 1 && jb != 1) worst = j;
      }
      fail(ErrorCode::kShape, operation, "shapes do not broadcast:\n",
           aligned_shapes(a, b, static_cast<size_t>(worst)), "\n  axis ", worst - rank, " is ",
           worst < rank - ra ? 1 : a[worst - (rank - ra)], " against ",
           worst < rank - rb ? 1 : b[worst - (rank - rb)],
           "; sizes must be equal or one of them 1 (reshape or expand_dims one side)");
    }
  }
  return out;
}

void broadcast_with(std::string_view operation, Dims* a, DimsView b) {
  const int lead = a->size() - static_cast<int>(b.size());
  const int own = static_cast<int>(b.size());
  bool fits = lead >= 0;
  for (int i = 0; fits && i < own; ++i) {
    const int64_t size = (*a)[lead + i];
    fits = b[i] == size || b[i] == 1 || size == 1;
  }
  if (!fits) {
    *a = broadcast_shapes(operation, *a, b);
    return;
  }
  for (int i = 0; i < own; ++i) {
    if (b[i] != 1) (*a)[lead + i] = b[i];
  }
}

Dims broadcast_strides(std::string_view operation, DimsView shape, DimsView strides,
                       DimsView target) {
  Dims out;
  broadcast_strides(operation, shape, strides, target, &out);
  return out;
}

void broadcast_strides(std::string_view operation, DimsView shape, DimsView strides,
                       DimsView target, Dims* result) {
  const int rank = static_cast<int>(target.size()), own = static_cast<int>(shape.size());
  if (own > rank) {
    fail(ErrorCode::kShape, operation, "shape ", shape_text(shape), " cannot be broadcast to ",
         shape_text(target), ", which has fewer dimensions");
  }
  Dims& out = *result;
  out.resize(rank);
  for (int i = 0; i < rank - own; ++i) out[i] = 0;
  for (int i = 0; i < own; ++i) {
    const int t = i + rank - own;
    out[t] = shape[i] == 1 ? 0 : strides[i];
    if (shape[i] != target[t] && shape[i] != 1) {
      fail(ErrorCode::kShape, operation, "shape ", shape_text(shape), " cannot be broadcast to ",
           shape_text(target), ": axis ", i - own, " is ", shape[i], ", not 1 or ", target[t]);
    }
  }
}

Dims resolve_shape(std::string_view operation, DimsView wanted, int64_t count) {
  Dims out(wanted);
  int unknown = -1;
  int64_t known = 1;
  for (int i = 0; i < out.size(); ++i) {
    if (out[i] == -1) {
      if (unknown >= 0)
        fail(ErrorCode::kShape, operation, "only one size can be -1 in ", shape_text(wanted));
      unknown = i;
    } else if (out[i] < 0) {
      fail(ErrorCode::kShape, operation, "negative size in shape ", shape_text(wanted));
    } else if (__builtin_mul_overflow(known, out[i], &known)) {
      fail(ErrorCode::kShape, operation, "shape ", shape_text(wanted), " is too large");
    }
  }
  if (unknown >= 0) {
    if (known == 0 || count % known != 0) {
      fail(ErrorCode::kShape, operation, "shape ", shape_text(wanted),
           " is invalid for a tensor of ", count, " elements");
    }
    out[unknown] = count / known;
  } else if (known != count) {
    fail(ErrorCode::kShape, operation, "shape ", shape_text(wanted), " is invalid for a tensor of ",
         count, " elements");
  }
  return out;
}

bool view_strides(DimsView shape, DimsView strides, DimsView target, Dims* result) {
  Dims out(static_cast<int>(target.size()), 1);
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) {
    *result = contiguous_strides(target);
    return true;
  }
  // Walk both shapes from the right in chunks of equal products; inside a chunk the source must be
  // one run.
  int t = static_cast<int>(target.size()) - 1;
  int64_t chunk = 1, view = 1;
  int64_t base = strides.empty() ? 1 : strides.back();
  for (int s = static_cast<int>(shape.size()) - 1; s >= 0; --s) {
    chunk *= shape[s];
    const bool ends = s == 0 || (shape[s - 1] != 1 && strides[s - 1] != chunk * base);
    if (!ends) continue;
    while (t >= 0 && (view < chunk || target[t] == 1)) {
      out[t] = view * base;
      view *= target[t];
      --t;
    }
    if (view != chunk) return false;
    if (s > 0) {
      base = strides[s - 1];
      chunk = view = 1;
    }
  }
  if (t >= 0) {  // a 0-dimensional source, or only sizes of 1 are left
    for (; t >= 0; --t) {
      if (target[t] != 1) return false;
      out[t] = 1;
    }
  }
  *result = out;
  return true;
}

SliceRange resolve_slice(std::string_view operation, int64_t start, int64_t stop, int64_t step,
                         int64_t size) {
  if (step == kUnset) step = 1;
  if (step == 0) fail(ErrorCode::kInvalidArgument, operation, "slice step cannot be zero");
  const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
  const auto clamp = [&](int64_t v) {
    if (v < 0) v = v < -size ? low : v + size;
    return std::clamp(v, low, high);
  };
  start = start == kUnset ? (step > 0 ? low : high) : clamp(start);
  stop = stop == kUnset ? (step > 0 ? high : low) : clamp(stop);
  int64_t count = 0;
  // Without a division where there is nothing to divide: it is the dearest instruction of a view.
  if (step > 0 && start < stop) count = step == 1 ? stop - start : (stop - start - 1) / step + 1;
  // 0 - (step + 1) cannot overflow, -step could.
  if (step < 0 && start > stop) {
    const auto magnitude = uint64_t(0) - static_cast<uint64_t>(step);
    count = static_cast<int64_t>(static_cast<uint64_t>(start - stop - 1) / magnitude) + 1;
  }
  return {start, count > 1 ? step : (step > 0 ? 1 : -1), count};
}

int collapse_axes(int rank, int64_t* sizes, int n_operands, int64_t* const* strides,
                  uint64_t* axis_mask) {
  int out = 0;
  uint64_t mask = axis_mask ? *axis_mask : 0, new_mask = 0;
  for (int i = 0; i < rank; ++i) {
    if (sizes[i] == 1) continue;
    const bool bit = mask >> i & 1;
    bool merge = out > 0 && bit == static_cast<bool>(new_mask >> (out - 1) & 1);
    for (int k = 0; merge && k < n_operands; ++k) {
      merge = strides[k][out - 1] == strides[k][i] * sizes[i];
    }
    if (merge) {
      sizes[out - 1] *= sizes[i];
      for (int k = 0; k < n_operands; ++k) strides[k][out - 1] = strides[k][i];
    } else {
      sizes[out] = sizes[i];
      for (int k = 0; k < n_operands; ++k) strides[k][out] = strides[k][i];
      new_mask |= static_cast<uint64_t>(bit) << out;
      ++out;
    }
  }
  if (axis_mask) *axis_mask = new_mask;
  return out;
}

}  // namespace tenon
