// Complex tensors and their two parts.
//
// Elementwise functions that elementwise.def lists as complex (add, multiply, abs, exp, log, sqrt,
// sin, acosh ..) take complex tensors too, mixed with real ones and numbers; so do sum(), prod(),
// mean(), matmul() and what only moves elements. A function with branch cuts has C's; results at
// infinities and NaN are those of the Array API. There are no gradients through complex dtypes: an
// operation that would need one raises kAutograd.
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
// A tensor of the one number real + i * imag; complex64 unless a complex dtype is given.
Tensor full_complex(DimsView shape, double real, double imag, DType dtype = DType::none,
                    Device device = Device());

}  // namespace tenon

#endif  // TENON_OPS_COMPLEX_H_
