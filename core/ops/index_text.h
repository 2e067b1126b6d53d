// An index written as in Python: "[1:-1:2, ..., None, [0, 2], True]". For tests and tools.
//
//   index(x, parse_index("[..., ::-1]"))
//
// Integers, slices, `...` or `Ellipsis`, `None` or `newaxis`, `True`, `False`, and lists of
// integers or of bools, nested to rectangles of up to 64 dimensions, which become int64 and bool
// tensors. The outer brackets may be left out. Anything else raises kInvalidArgument naming the
// column.
#ifndef TENON_OPS_INDEX_TEXT_H_
#define TENON_OPS_INDEX_TEXT_H_

#include <string_view>
#include <vector>

#include "tenon/ops/index.h"

namespace tenon {

std::vector<IndexItem> parse_index(std::string_view text, Device device = Device());

}  // namespace tenon

#endif  // TENON_OPS_INDEX_TEXT_H_
