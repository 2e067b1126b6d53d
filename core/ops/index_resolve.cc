#include "tenon/ops/index_resolve.h"

#include <algorithm>

#include "tenon/ops/search.h"
#include "tenon/ops/views.h"
#include "tenon/tensor/impl.h"

namespace tenon {
namespace {

bool is_mask(const Tensor& t) { return t.dtype() == DType::bool_; }

bool is_whole(const Slice& s) {
  return (s.start == kUnset || s.start == 0) && s.stop == kUnset &&
         (s.step == kUnset || s.step == 1);
}

// How many axes of x an item stands for; -1: all that the others leave.
int axes_of(const IndexItem& item) {
  if (item.kind == IndexItem::Kind::kBool) return 0;
  if (item.kind == IndexItem::Kind::kTensor) return is_mask(item.tensor) ? item.tensor.ndim() : 1;
  if (item.basic.kind == Index::Kind::kNewAxis) return 0;
  return item.basic.kind == Index::Kind::kEllipsis ? -1 : 1;
}

// A mask of no axes as an index into a new axis of size 1.
Tensor positions_of_bool(bool value, const Tensor& x) {
  return zeros({value ? 1 : 0}, DType::int64, x.device());
}

Tensor checked_tensor(const char* name, const Tensor& t, const Tensor& x, size_t number) {
  if (!t.defined())
    fail(ErrorCode::kInvalidArgument, name, "item ", number,
         " of the index is an undefined tensor");
  if (!is_mask(t) && !is_integral(t.dtype())) {
    fail(ErrorCode::kDType, name, "tensors used as indices must be integers or bool, not ",
         describe(t), "; convert it with astype()");
  }
  if (!(t.device() == x.device()) && !(t.device() == Device())) {
    fail(ErrorCode::kDevice, name,
         "indices should be either on cpu or on the same device as the indexed tensor: ",
         describe(t), " and ", describe(x), ". Move one with to()");
  }
  return t;
}

// As in NumPy, a mask's axis of size 0 fits any size: such a mask picks nothing.
void check_mask(const char* name, const IndexParts::Picked& p, const Tensor& view, const Tensor& x,
                size_t number) {
  const Tensor& mask = p.tensor;
  for (int k = 0; k < mask.ndim(); ++k) {
    if (mask.size(k) == view.size(p.axis + k) || mask.size(k) == 0) continue;
    fail(ErrorCode::kAxis, name, "The shape of the mask ", shape_text(mask.shape()), " at index ",
         k, " does not match the shape of the indexed tensor ", describe(x), " at index ",
         p.named + k, " (item ", number, "): size ", mask.size(k), " where axis ", p.named + k,
         " has ", view.size(p.axis + k),
         ". A mask has the sizes of the axes it stands for; broadcast_to() widens one, and a slice "
         "before it leaves an axis out");
  }
}

// Counts axes; the names of the errors are those of indices without tensors.
int count_axes(const char* name, const Tensor& x, std::span<const IndexItem> items) {
  int used = 0, ellipses = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].kind == IndexItem::Kind::kTensor) checked_tensor(name, items[i].tensor, x, i);
    const int axes = axes_of(items[i]);
    axes < 0 ? ++ellipses : used += axes;
  }
  if (ellipses > 1)
    fail(ErrorCode::kInvalidArgument, name, "an index can only have a single ellipsis");
  if (used > x.ndim()) {
    fail(ErrorCode::kAxis, name, "too many indices for tensor of dimension ", x.ndim(), ": ", used,
         " were given");
  }
  return used;
}

}  // namespace

IndexParts split_index(const char* name, const Tensor& x, std::span<const IndexItem> items) {
  if (!x.defined()) fail(ErrorCode::kInvalidArgument, name, "the tensor is undefined");
  const int left = x.ndim() - count_axes(name, x, items);
  const bool has_tensors = std::any_of(items.begin(), items.end(), [](const IndexItem& i) {
    return i.kind != IndexItem::Kind::kBasic;
  });
  IndexParts parts;
  std::vector<Index> basic;
  std::vector<size_t> numbers;  // of the items that tensors came from
  bool changes = false;
  int axis = 0, at = 0,
      staying = 0;  // axis of x, of the view, and how many of the view's stay so far
  enum { kNone, kInside, kBehind } run = kNone;  // of tensors without a slice between them
  for (size_t number = 0; number < items.size(); ++number) {
    const IndexItem& item = items[number];
    const bool integer =
        item.kind == IndexItem::Kind::kBasic && item.basic.kind == Index::Kind::kInteger;
    if (item.kind != IndexItem::Kind::kBasic || (integer && has_tensors)) {
      if (run == kNone) parts.position = staying;
      if (run == kBehind) parts.position = 0;  // separated: the tensors' shape comes first
      if (run != kBehind) run = kInside;
    } else if (run == kInside) {
      run = kBehind;
    }
    if (item.kind == IndexItem::Kind::kBasic) {
      basic.push_back(item.basic);
      const int axes = axes_of(item) < 0 ? left : axes_of(item);
      changes |= integer || item.basic.kind == Index::Kind::kNewAxis ||
                 (item.basic.kind == Index::Kind::kSlice && !is_whole(item.basic.slice));
      const int shown = integer ? 0 : item.basic.kind == Index::Kind::kNewAxis ? 1 : axes;
      axis += axes;
      at += shown;
      staying += shown;
      continue;
    }
    const bool is_bool = item.kind == IndexItem::Kind::kBool || axes_of(item) == 0;
    if (is_bool) {
      const bool value =
          item.kind == IndexItem::Kind::kBool ? item.basic.integer != 0 : item.tensor.item<bool>();
      basic.push_back(Index::new_axis());
      changes = true;
      parts.tensors.push_back({positions_of_bool(value, x), at++, 1, axis});
    } else {
      const int axes = axes_of(item);
      basic.insert(basic.end(), static_cast<size_t>(axes), Index(Slice{}));
      parts.tensors.push_back({item.tensor, at, axes, axis});
      at += axes;
      axis += axes;
    }
    numbers.push_back(number);
  }
  parts.view = changes || !has_tensors ? index(x, std::span<const Index>(basic)) : x;
  for (size_t i = 0; i < numbers.size(); ++i) {
    const IndexParts::Picked& p = parts.tensors[i];
    if (is_mask(p.tensor)) check_mask(name, p, parts.view, x, numbers[i]);
  }
  return parts;
}

namespace {

// The axes of the mask as one axis of the view, if no data has to move for it.
void merge_axes(IndexParts& parts, size_t which) {
  IndexParts::Picked& p = parts.tensors[which];
  const Tensor& view = parts.view;
  Dims shape(view.shape()), strides;
  for (int k = 1; k < p.axes; ++k) {
    shape[p.axis] *= shape[p.axis + 1];
    shape.erase(p.axis + 1);
  }
  if (!view_strides(view.shape(), view.strides(), shape, &strides)) return;
  parts.view = reshape(view, shape);
  const int64_t flat[] = {-1};
  p.tensor = reshape(p.tensor, flat);
  for (size_t i = which + 1; i < parts.tensors.size(); ++i) parts.tensors[i].axis -= p.axes - 1;
  p.axes = 1;
}

}  // namespace

Selection select_parts(const char* name, const Tensor& x, IndexParts& parts) {
  Selection s;
  s.position = parts.position;
  s.indexed = &x;
  s.checked = s.distinct = true;
  for (size_t i = 0; i < parts.tensors.size(); ++i) {
    if (is_mask(parts.tensors[i].tensor) && parts.tensors[i].axes > 1) merge_axes(parts, i);
    const IndexParts::Picked& p = parts.tensors[i];
    std::vector<Tensor> positions = {p.tensor};
    if (is_mask(p.tensor)) {
      positions = nonzero(p.tensor);
    } else {
      s.checked = s.distinct = false;
      positions[0] = as_indices(name, "indices", p.tensor);
    }
    for (size_t k = 0; k < positions.size(); ++k) {
      s.axes.push_back(p.axis + static_cast<int>(k));
      s.named.push_back(p.named + static_cast<int>(k));
      s.indices.push_back(positions[k].to(x.device()));
    }
  }
  for (const Tensor& t : s.indices) {
    bool fits = true;
    Dims both(std::max(s.shape.size(), t.ndim()), 1);
    for (int k = 1; k <= both.size(); ++k) {
      const int64_t a = k <= s.shape.size() ? s.shape[s.shape.size() - k] : 1,
                    b = k <= t.ndim() ? t.size(-k) : 1;
      fits = fits && (a == b || a == 1 || b == 1);
      both[both.size() - k] = a == 1 ? b : a;
    }
    if (!fits) {
      std::string shapes;
      for (const Tensor& other : s.indices)
        shapes += (shapes.empty() ? "" : ", ") + shape_text(other.shape());
      fail(ErrorCode::kAxis, name,
           "shape mismatch: indexing tensors could not be broadcast together with shapes ", shapes);
    }
    s.shape = both;
  }
  return s;
}

}  // namespace tenon
