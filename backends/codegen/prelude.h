// The text that goes in front of generated kernels: what each opcode means on each dtype, in the C
// that CUDA C++, OpenCL C and the host's C++ all read.
//
//   const std::string text = EmitKernel(desc, "k", variant, target);
//   source = kCudaPrelude + SelectFor(text) + kCommonPrelude + text;
//
// kCommonPrelude asks these of the language's own prelude, kCudaPrelude or kOpenclPrelude:
//   types      u8 i8 u16 i16 u32 i32 u64 i64 f32 f64 f16; a device without f64 defines NO_F64
//   qualifiers DEVICE (of functions), KERNEL (with the return type), GLOBAL (of pointers), LOCAL,
//              ALIGNED(bytes) (of structs)
//   positions  GLOBAL_ID GLOBAL_SIZE GROUP_ID GROUP_COUNT LOCAL_ID LOCAL_SIZE, BARRIER()
//   bits       U64(x), bits_f32 bits_f64 f32_of_bits f64_of_bits
//   math       the C functions by their generic names on f32 and f64 (sin, fmod, rint ...),
//              erfinv_f32 tanh_f32 (and _f64), f16_to_f32 and f32_to_f16
#ifndef TENON_BACKENDS_CODEGEN_PRELUDE_H_
#define TENON_BACKENDS_CODEGEN_PRELUDE_H_

#include <string>
#include <string_view>

namespace tenon_codegen {

extern const char kCudaPrelude[];
extern const char kOpenclPrelude[];
extern const char kCommonPrelude[];

// The lines that kCommonPrelude needs before it: they keep the functions of the dtypes that `text`
// names (a driver's compiler takes longer over 1,400 functions than over most kernels), or of all.
std::string SelectFor(std::string_view text);
std::string SelectAll();

}  // namespace tenon_codegen

#endif  // TENON_BACKENDS_CODEGEN_PRELUDE_H_
