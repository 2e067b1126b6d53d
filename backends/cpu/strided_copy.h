// Moving elements between strided places. Only their size matters.
#ifndef TENON_BACKENDS_CPU_STRIDED_COPY_H_
#define TENON_BACKENDS_CPU_STRIDED_COPY_H_

#include <cstdint>

#include "backends/cpu/space.h"

namespace tenon_cpu {

// n elements of `item` bytes; strides in bytes.
void CopyLine(char* dst, int64_t dst_stride, const char* src, int64_t src_stride, int64_t item,
              int64_t n);

// Elements [position, position + n) of a space, between the operand's places and an array.
void GatherBlock(char* dst, const Space& space, int operand, const char* base, int64_t position,
                 int64_t n, int64_t item);
void ScatterBlock(const char* src, const Space& space, int operand, char* base, int64_t position,
                  int64_t n, int64_t item);

// All of a space: operand 1 = operand 0. In parallel; axes that are dense in one operand only are
// copied by tiles.
void CopySpace(const Space& space, const char* src, char* dst, int64_t item);

}  // namespace tenon_cpu
#endif  // TENON_BACKENDS_CPU_STRIDED_COPY_H_
