// Elements as Python numbers, and Python's nested lists as elements.
#ifndef TENON_INTEROP_PYTHON_SCALARS_H_
#define TENON_INTEROP_PYTHON_SCALARS_H_

#include "interop/python/object.h"

namespace tenon::python {

// The element at `p` (any alignment) as bool, int, float or complex: a new reference.
PyObject* element_object(DType d, const void* p);

// The one element of t; waits for its device.
PyObject* item_object(const Tensor& t);

// Nested lists and tuples of numbers (arrays and tensors too) as a new tensor: what tensor() does
// with them. Without a device: the tensors' own, or the cpu.
Tensor tensor_of_sequence(PyObject* sequence, DType dtype, std::optional<Device> device);

}  // namespace tenon::python

#endif  // TENON_INTEROP_PYTHON_SCALARS_H_
