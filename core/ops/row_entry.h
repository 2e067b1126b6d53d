// Tensors as the ABI's fused entries take them: rows along the last axis.
#ifndef TENON_OPS_ROW_ENTRY_H_
#define TENON_OPS_ROW_ENTRY_H_

#include "tenon/abi/tenon_backend.h"
#include "tenon/device/stream.h"
#include "tenon/tensor/impl.h"

namespace tenon {

inline bool has_entry_rank(const Tensor& t) {
  return t.ndim() >= 1 && t.ndim() <= TENON_ABI_MAX_RANK;
}

// t with `axis` moved to the end, used on the stream. has_entry_rank(t).
inline void describe_rows(TenonTensor* out, const Tensor& t, int axis, StreamState& stream) {
  const TensorImpl* i = t.impl();
  use_on_stream(*i->storage, stream);
  out->buffer = i->storage->memory.buffer;
  out->offset = i->byte_offset();
  out->dtype = static_cast<uint32_t>(i->dtype);
  out->rank = i->rank;
  out->reserved = 0;
  int place = 0;
  for (int k = 0; k < static_cast<int>(i->rank); ++k) {
    if (k == axis) continue;
    out->sizes[place] = i->sizes[k];
    out->strides[place++] = i->strides[k];
  }
  out->sizes[place] = i->sizes[axis];
  out->strides[place] = i->strides[axis];
}

}  // namespace tenon

#endif  // TENON_OPS_ROW_ENTRY_H_
