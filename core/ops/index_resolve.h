// What an index means for one tensor: a view for its integers, slices and new axes, and a selection
// for its tensors. Shared by index() and index_put_(); not part of the public API.
#ifndef TENON_OPS_INDEX_RESOLVE_H_
#define TENON_OPS_INDEX_RESOLVE_H_

#include <span>
#include <vector>

#include "tenon/ops/gather.h"
#include "tenon/ops/index.h"

namespace tenon {

struct IndexParts {
  // One tensor of the index, integers or a mask, and the axes of the view that it stands for.
  struct Picked {
    Tensor tensor;
    int axis, axes;
    int named;  // the number that the caller knows `axis` by
  };
  Tensor view;  // x itself where nothing but tensors and whole slices was given
  std::vector<Picked> tensors;
  int position = 0;  // of the tensors' shape among the axes that stay
};

// Checks everything but the values of tensors, and reads none of them but masks of no dimension.
IndexParts split_index(const char* name, const Tensor& x, std::span<const IndexItem> items);

// Reads masks. May replace the view by one with fewer axes: a mask over axes that memory walks as
// one is a mask over one axis. There is at least one tensor. `x`: what the caller indexed; used in
// messages until the selection is gone.
Selection select_parts(const char* name, const Tensor& x, IndexParts& parts);

}  // namespace tenon

#endif  // TENON_OPS_INDEX_RESOLVE_H_
