// The names of the kernels of one opcode, as their writer (write_single.cc) and their user
// (single.cc) agree on them. Which opcodes and dtypes there are is the ABI's table's to say.
#ifndef TENON_BACKENDS_CUDA_SINGLE_NAME_H_
#define TENON_BACKENDS_CUDA_SINGLE_NAME_H_

#include <string>

#include "tenon/abi/tenon_plugin_kit.h"

namespace tenon_cuda {

// Bits moved about are the same for all dtypes of a size.
inline uint32_t UnsignedOfSize(size_t bytes) {
  return bytes == 1 ? TENON_U8 : bytes == 2 ? TENON_U16 : bytes == 4 ? TENON_U32 : TENON_U64;
}

inline std::string Lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

inline std::string CopyName(size_t bytes) {
  return std::string("copy_") + tenon_dtype_name(UnsignedOfSize(bytes));
}

// "add_f32", "cast_f32_i8", "select_u32" (of any 4-byte dtype), "copy_u16" (BITCAST, and a CAST to
// the same dtype). `from`: the dtype of the operands, of SELECT's latter two.
inline std::string SingleName(uint32_t op, uint32_t from, uint32_t to) {
  if (op == TENON_OP_BITCAST || (op == TENON_OP_CAST && from == to))
    return CopyName(tenon_dtype_size(from));
  if (op == TENON_OP_CAST)
    return std::string("cast_") + tenon_dtype_name(from) + "_" + tenon_dtype_name(to);
  const uint32_t named = op == TENON_OP_SELECT ? UnsignedOfSize(tenon_dtype_size(from)) : from;
  return Lower(tenon_opcode_name(static_cast<uint16_t>(op))) + "_" + tenon_dtype_name(named);
}

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_SINGLE_NAME_H_
