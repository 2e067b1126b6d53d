#include "tenon/interop/memory.h"

#include <cstdint>

namespace tenon::detail {

void check_count(std::string_view operation, int64_t count, DimsView shape) {
  if (count == element_count(operation, shape)) return;
  fail(ErrorCode::kShape, operation, count, " values do not fill shape ", shape_text(shape));
}

Tensor share_memory(std::string_view operation, const void* data, DType dtype, DimsView shape,
                    DimsView strides, bool read_only, void (*release)(void* context),
                    void* context) {
  const bool has_elements = element_count(operation, shape) > 0;
  if (data == nullptr && has_elements) {
    fail(ErrorCode::kInvalidArgument, operation, "null memory for ", dtype_name(dtype),
         shape_text(shape));
  }
  const int64_t part = item_size(dtype) / (is_complex(dtype) ? 2 : 1);
  if (has_elements && reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(part) != 0) {
    fail(ErrorCode::kInvalidArgument, operation, "the memory is not aligned for ",
         dtype_name(dtype), ": copy it with tensor(NdArray::over(..))");
  }
  const Dims row_major = contiguous_strides(shape);
  return from_memory(const_cast<void*>(data), dtype, shape,
                     strides.empty() ? DimsView(row_major) : strides, read_only, release, context);
}

const void* contiguous_data(std::string_view operation, const Tensor& t, DType dtype) {
  if (!t.defined()) fail(ErrorCode::kInvalidArgument, operation, "the tensor is undefined");
  if (t.dtype() != dtype) {
    fail(ErrorCode::kDType, operation, describe(t), " is not ", dtype_name(dtype),
         ": convert it with astype()");
  }
  if (!t.is_contiguous()) {
    fail(ErrorCode::kInvalidArgument, operation, describe(t),
         " does not lie in row-major order: call contiguous() first");
  }
  return t.size() == 0 ? nullptr : t.raw_data();
}

}  // namespace tenon::detail
