#include "tenon/backends/codegen/prelude.h"

namespace tenon_codegen {

// Compiled with --fmad=false: a product and a sum are rounded twice, as the contract says.
const char kCudaPrelude[] = R"cuda(// ---- CUDA C++ ----
typedef unsigned char u8;
typedef signed char i8;
typedef unsigned short u16;
typedef short i16;
typedef unsigned int u32;
typedef int i32;
typedef unsigned long long u64;
typedef long long i64;
typedef float f32;
typedef double f64;
typedef u16 f16;  // bits

#define DEVICE static __device__ __forceinline__
#define KERNEL extern "C" __global__ void
#define GLOBAL
#define LOCAL __shared__
#define ALIGNED(bytes) __align__(bytes)
#define GLOBAL_ID ((i64)blockIdx.x * blockDim.x + threadIdx.x)
#define GLOBAL_SIZE ((i64)gridDim.x * blockDim.x)
#define GROUP_ID ((i64)blockIdx.x)
#define GROUP_COUNT ((i64)gridDim.x)
#define LOCAL_ID ((i32)threadIdx.x)
#define LOCAL_SIZE ((i32)blockDim.x)
#define BARRIER() __syncthreads()
#define U64(x) x##ull

DEVICE u32 bits_f32(f32 x) { return __float_as_uint(x); }
DEVICE u64 bits_f64(f64 x) { return (u64)__double_as_longlong(x); }
DEVICE f32 f32_of_bits(u32 x) { return __uint_as_float(x); }
DEVICE f64 f64_of_bits(u64 x) { return __longlong_as_double((i64)x); }
DEVICE f32 f16_to_f32(f16 h) {
  f32 x;
  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(h));
  return x;
}
DEVICE f16 f32_to_f16(f32 x) {
  f16 h;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(x));
  return h;
}
DEVICE f32 erfinv_f32(f32 x) { return erfinvf(x); }
DEVICE f64 erfinv_f64(f64 x) { return erfinv(x); }
DEVICE f32 tanh_f32(f32 x) { return tanhf(x); }
DEVICE f64 tanh_f64(f64 x) { return tanh(x); }

)cuda";

}  // namespace tenon_codegen
