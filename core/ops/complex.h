// Complex tensors and their two parts.
//
// Elementwise functions that elementwise.def lists as complex (add, multiply, divide, abs, conj,
// equal ..) take complex tensors too, mixed with real ones and numbers; matmul() and what only
// moves elements always does. There are no gradients through complex dtypes: an operation that
// would need one raises kAutograd.
#ifndef TENON_OPS_COMPLEX_H_
#define TENON_OPS_COMPLEX_H_

#include "tenon/tensor/tensor.h"

namespace tenon {

// The real part: a view for complex dtypes (writing to it writes x), x itself for the others.
Tensor real(const Tensor& x);
// The imaginary part: a view for complex dtypes, zeros for the others.
Tensor imag(const Tensor& x);
// real + i * imag of two floating tensors that broadcast: complex128 if one is float64, else
// complex64.
Tensor complex(const Tensor& real, const Tensor& imag);

}  // namespace tenon

#endif  // TENON_OPS_COMPLEX_H_
