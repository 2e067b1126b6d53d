// The neighbours of floating-point numbers.
#ifndef TENON_OPS_NEXTAFTER_H_
#define TENON_OPS_NEXTAFTER_H_

#include "tenon/ops/operand.h"
#include "tenon/tensor/tensor.h"

namespace tenon {

// The next number after x towards y that the dtype holds; y where they are equal (so of the zeros
// y's), NaN where one is NaN. x and y are floating, one of them a tensor, and broadcast. No
// gradient goes through it: a tensor that requires one is refused.
//
//   nextafter(zeros({}, DType::bfloat16), 1)   // the least positive bfloat16, 9.2e-41
Tensor nextafter(const Operand& x, const Operand& y);

}  // namespace tenon

#endif  // TENON_OPS_NEXTAFTER_H_
