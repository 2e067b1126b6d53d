// The array functions: one per opcode and dtype, ahead of time, for the processor we run on.
//
// They serve the direct path (a program of one opcode over contiguous operands) and the interpreter
// of longer programs (interpreter.h), which calls them on blocks that stay in the first-level
// cache.
#ifndef TENON_BACKENDS_CPU_KERNELS_H_
#define TENON_BACKENDS_CPU_KERNELS_H_

#include <cstdint>

namespace tenon_cpu {

// Bits of `splat`: that operand is one element, used for all.
enum : uint32_t { kSplatA = 1, kSplatB = 2 };

// dst[i] = f(a[i], b[i], c[i]) for i in [0, n). dst may be exactly one of the operands if the item
// sizes agree. Functions of two operands heed `splat`; all others ignore it.
using ArrayFn = void (*)(void* dst, const void* a, const void* b, const void* c, int64_t n,
                         uint32_t splat);

// The function of an opcode, nullptr if it is not defined. `dtype` is that of the operands (of the
// chosen values for SELECT), `result` that of the instruction. INPUT, SCALAR, CONST and INDEX have
// none.
ArrayFn FindKernel(uint32_t op, uint32_t dtype, uint32_t result);

// Groups of the above, each in the file of that name.
ArrayFn FindArithmetic(
    uint32_t op, uint32_t dtype);  // ADD .. ABS, POW of integers, FMA, SQRT, rounding, SIGN ..
ArrayFn FindLogic(uint32_t op, uint32_t dtype);  // AND .. SHR, comparisons, SELECT, MULHI
ArrayFn FindMath(uint32_t op, uint32_t dtype);   // EXP .. DIGAMMA
ArrayFn FindCast(uint32_t from, uint32_t to);
ArrayFn FindPhilox();

// dst[i] = a[0]: a fill with one element of 1, 2, 4, 8 or 16 bytes.
ArrayFn FindFill(uint32_t item);

// dst[i] = first + i * step.
using RampFn = void (*)(int64_t* dst, int64_t first, int64_t step, int64_t n);
RampFn FindRamp();

}  // namespace tenon_cpu
#endif  // TENON_BACKENDS_CPU_KERNELS_H_
