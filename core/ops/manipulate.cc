#include "tenon/ops/manipulate.h"

#include <algorithm>

#include "tenon/ops/gather.h"
#include "tenon/ops/join.h"
#include "tenon/ops/views.h"

namespace tenon {
namespace {

void check_defined(const char* name, const Tensor& x) {
  if (!x.defined()) fail(ErrorCode::kInvalidArgument, name, "the tensor is undefined");
}

constexpr int64_t kFlat[] = {-1};

// x with each element along `axis` (normalised) `count` times in a row.
Tensor repeat_axis(const Tensor& x, int axis, int64_t count) {
  Dims shape(x.shape());
  shape.insert(axis + 1, count);
  const Tensor wide = broadcast_to(expand_dims(x, axis + 1), shape);
  shape[axis] *= count;
  shape.erase(axis + 1);
  return reshape(wide.clone().contiguous(), shape);
}

}  // namespace

Tensor moveaxis(const Tensor& x, DimsView source, DimsView destination) {
  check_defined("moveaxis", x);
  const Dims from = normalize_axes("moveaxis", source, x.ndim(), false);
  const Dims to = normalize_axes("moveaxis", destination, x.ndim(), false);
  if (from.size() != to.size()) {
    fail(ErrorCode::kAxis, "moveaxis", from.size(), " axes are to go to ", to.size(), " positions");
  }
  Dims order(x.ndim(), -1);
  for (int i = 0; i < from.size(); ++i) order[static_cast<int>(to[i])] = from[i];
  int next = 0;
  for (int64_t& axis : order) {
    if (axis >= 0) continue;
    while (std::find(from.begin(), from.end(), next) != from.end()) ++next;
    axis = next++;
  }
  return permute_dims(x, order);
}

std::vector<Tensor> unstack(const Tensor& x, int64_t axis) {
  check_defined("unstack", x);
  const int at = normalize_axis("unstack", axis, x.ndim());
  std::vector<Tensor> out;
  for (int64_t i = 0; i < x.size(at); ++i) out.push_back(select(x, at, i));
  return out;
}

std::vector<Tensor> broadcast_arrays(std::span<const Tensor> tensors) {
  Dims shape;
  for (const Tensor& t : tensors) {
    check_defined("broadcast_arrays", t);
    shape = broadcast_shapes("broadcast_arrays", shape, t.shape());
  }
  std::vector<Tensor> out;
  for (const Tensor& t : tensors) out.push_back(broadcast_to(t, shape));
  return out;
}

std::vector<Tensor> split(const Tensor& x, DimsView bounds, int64_t axis) {
  check_defined("split", x);
  std::vector<Tensor> out;
  int64_t start = 0;
  for (int64_t stop : bounds) {
    if (stop < start) {
      fail(ErrorCode::kInvalidArgument, "split", "bounds ", shape_text(bounds),
           " are to ascend from 0");
    }
    out.push_back(slice(x, axis, start, stop));
    start = stop;
  }
  out.push_back(slice(x, axis, start));
  return out;
}

Tensor roll(const Tensor& x, DimsView shift, DimsView axes) {
  check_defined("roll", x);
  if (axes.empty()) {
    if (shift.size() != 1) {
      fail(ErrorCode::kInvalidArgument, "roll", shift.size(),
           " shifts for the flattened tensor; name their axes");
    }
    return reshape(roll(reshape(x, kFlat), shift, {0}), x.shape());
  }
  if (shift.size() != axes.size() && shift.size() != 1) {
    fail(ErrorCode::kInvalidArgument, "roll", shift.size(), " shifts for ", axes.size(), " axes");
  }
  Tensor y = x;
  for (size_t i = 0; i < axes.size(); ++i) {
    const int axis = normalize_axis("roll", axes[i], x.ndim());
    const int64_t size = x.size(axis), by = size == 0 ? 0 : shift[shift.size() == 1 ? 0 : i] % size;
    const int64_t cut = by > 0 ? size - by : -by;
    const Tensor parts[] = {slice(y, axis, cut), slice(y, axis, 0, cut)};
    y = concat(parts, axis);
  }
  return y;
}

Tensor tile(const Tensor& x, DimsView repetitions) {
  check_defined("tile", x);
  const int given = static_cast<int>(repetitions.size()), rank = std::max(given, x.ndim());
  Dims split_shape, wide, shape;
  for (int i = 0; i < rank; ++i) {
    const int own = i - (rank - x.ndim()), count_at = i - (rank - given);
    const int64_t size = own < 0 ? 1 : x.size(own);
    const int64_t count = count_at < 0 ? 1 : repetitions[static_cast<size_t>(count_at)];
    if (count < 0)
      fail(ErrorCode::kInvalidArgument, "tile", "repetitions ", shape_text(repetitions),
           " are negative");
    if (count != 1) {  // an axis of its own, so that the elements behind it come again
      split_shape.push_back(1);
      wide.push_back(count);
    }
    split_shape.push_back(size);
    wide.push_back(size);
    shape.push_back(count * size);
  }
  element_count("tile", wide);
  return reshape(broadcast_to(reshape(x, split_shape), wide).clone().contiguous(), shape);
}

Tensor repeat(const Tensor& x, int64_t repeats, int64_t axis) {
  check_defined("repeat", x);
  if (repeats < 0)
    fail(ErrorCode::kInvalidArgument, "repeat", "repeats are not negative, as ", repeats, " is");
  if (axis == kUnset) return repeat_axis(reshape(x, kFlat), 0, repeats);
  return repeat_axis(x, normalize_axis("repeat", axis, x.ndim()), repeats);
}

Tensor repeat(const Tensor& x, const Tensor& repeats, int64_t axis) {
  check_defined("repeat", x);
  check_defined("repeat", repeats);
  if (axis == kUnset) return repeat(reshape(x, kFlat), repeats, 0);
  const int at = normalize_axis("repeat", axis, x.ndim());
  const Tensor counts =
      as_indices("repeat", "repeats", repeats).to(DType::int64).cpu().contiguous();
  if (counts.size() == 1) return repeat(x, counts.item<int64_t>(), at);
  if (counts.ndim() != 1 || counts.size() != x.size(at)) {
    fail(ErrorCode::kShape, "repeat", "repeats ", describe(repeats), " for axis ", at,
         " with size ", x.size(at), " of ", describe(x), "; one for each, or one for all");
  }
  std::vector<int64_t> positions;
  for (int64_t i = 0; i < counts.size(); ++i) {
    const int64_t count = counts.data<int64_t>()[i];
    if (count < 0)
      fail(ErrorCode::kInvalidArgument, "repeat", "repeats are not negative, as ", count, " is");
    positions.insert(positions.end(), static_cast<size_t>(count), i);
  }
  const int64_t shape[] = {static_cast<int64_t>(positions.size())};
  return take(x, tensor(std::span<const int64_t>(positions), shape, x.device()), at);
}

}  // namespace tenon
