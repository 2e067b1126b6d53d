// NumPy arrays as interop::NdArray, and back.
//
//   if (is_numpy_array(o)) interop::NdArray a = array_argument("from_numpy", o);   // shares o's
//   memory and keeps o PyObject* a = make_numpy_array(to_numpy(t)); // shares t's memory
//
// Nothing of NumPy is included or linked, and NumPy is never imported before it is needed: whoever
// hands us an array has imported it. An ndarray is read through its struct and made through NumPy's
// table of C functions, both of which NumPy keeps stable for compiled modules (1.24 to 2.x); at
// first use both are tried on a known array, and where the trial fails (or TENON_NUMPY=interface
// asks for it) the slower documented way, __array_interface__, is taken instead.
//
// All need the GIL. Errors: tenon::Error, nb::python_error.
#ifndef TENON_INTEROP_PYTHON_NUMPY_ARRAY_H_
#define TENON_INTEROP_PYTHON_NUMPY_ARRAY_H_

#include "interop/python/object.h"
#include "tenon/interop/doors.h"
#include "tenon/interop/ndarray.h"

namespace tenon::python {

// ndarray or a subclass of it.
bool is_numpy_array(PyObject* o);
// numpy.float32(1): a subclass of numpy.generic.
bool is_numpy_scalar(PyObject* o);
// Something that array_argument() takes: an ndarray, a NumPy scalar, or an object that exports
// DLPack, the buffer protocol,
// __array_interface__ or __array__. (A Tensor is none; text is none.)
bool is_array_like(PyObject* o);

// The plainest case, without what the general way costs: a tensor over the memory of an ndarray (no
// subclass) that from_numpy() shares. Undefined where anything is unusual; the general way decides.
Tensor share_plain_array(PyObject* o);
// The same back: an ndarray over the memory of a Tensor (no subclass) that numpy() shares, which it
// keeps as its base. nullptr (and no error) where anything is unusual.
PyObject* share_plain_tensor(PyObject* o);
// And for stacking: ndarrays of one shape and dtype, C-contiguous, as a new tensor. Undefined where
// they are not all of that kind.
Tensor stack_plain_arrays(PyObject* const* arrays, Py_ssize_t n);

// The array that o is or exports, sharing its memory where it has memory to share. Refuses what has
// no dtype of Tenon's (objects, text, dates, records), naming the way out.
interop::NdArray array_argument(std::string_view operation, PyObject* o);

// The same of an ndarray, and of an object's __array_interface__ (version 3), a dict.
interop::NdArray numpy_array_argument(std::string_view operation, PyObject* o);
// `known` where the dtype is known and has no code of its own there. Another protocol of the same
// shape has its own name; its memory is described and not touched.
interop::NdArray interface_argument(std::string_view operation, PyObject* owner,
                                    nb::handle interface, DType known = DType::none,
                                    const char* protocol = "__array_interface__");
// "<f4" -> float32; none where there is no such dtype.
DType dtype_from_descr(std::string_view descr);

// A new reference to an ndarray over the array's memory, which it keeps. Imports NumPy.
PyObject* make_numpy_array(const interop::NdArray& array);

// to_numpy(), whose refusals name the way out in Python's words: "t.detach().cpu().numpy()".
interop::NdArray array_of_tensor(const Tensor& t, bool force = false);

// numpy.dtype of a dtype (ml_dtypes' where NumPy has none): a new reference. Throws kDType where
// there is neither.
PyObject* numpy_dtype(std::string_view operation, DType d);
// The dtype of a numpy.dtype, a NumPy scalar type or anything numpy.dtype() takes; none where Tenon
// has no such dtype.
DType dtype_of_numpy(PyObject* numpy_dtype);

// The numpy module, imported if it is not yet; throws kUnsupported with the way out where it is not
// installed.
nb::object numpy_module(std::string_view operation);
// The numpy module if somebody has imported it, else a null object.
nb::object imported_numpy();

}  // namespace tenon::python

#endif  // TENON_INTEROP_PYTHON_NUMPY_ARRAY_H_
