#include "tenon/ops/index.h"

#include "tenon/ops/index_resolve.h"
#include "tenon/ops/views.h"

namespace tenon {

Tensor index(const Tensor& x, std::span<const IndexItem> items) {
  IndexParts parts = split_index("index", x, items);
  if (parts.tensors.empty()) return parts.view;
  const Selection s = select_parts("index", x, parts);
  return gather("index", parts.view, s);
}

Tensor index(const Tensor& x, std::initializer_list<IndexItem> items) {
  return index(x, std::span<const IndexItem>(items.begin(), items.size()));
}

Tensor masked_select(const Tensor& x, const Tensor& mask) {
  if (!x.defined() || !mask.defined())
    fail(ErrorCode::kInvalidArgument, "masked_select", "an argument is an undefined tensor");
  if (mask.dtype() != DType::bool_) {
    fail(ErrorCode::kDType, "masked_select", "the mask is bool, not ", describe(mask),
         "; compare it with something, or use astype()");
  }
  const Dims shape = broadcast_shapes("masked_select", x.shape(), mask.shape());
  const IndexItem items[] = {broadcast_to(mask, shape)};
  return index(broadcast_to(x, shape), items);
}

}  // namespace tenon
