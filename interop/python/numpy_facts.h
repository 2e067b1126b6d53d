// What the module knows of the process's NumPy: its types, its dtypes and numbers for ours, and its
// table of C functions, once they were tried (numpy_array.h says how).
#ifndef TENON_INTEROP_PYTHON_NUMPY_FACTS_H_
#define TENON_INTEROP_PYTHON_NUMPY_FACTS_H_

#include <atomic>

#include "interop/python/numpy_abi.h"
#include "interop/python/numpy_array.h"

namespace tenon::python {

// What is known of the process's NumPy; filled when the first array is met or made. `ready` and
// `fast` are set last: who sees one of them sees all the rest.
struct NumPy {
  std::atomic<bool> ready = false;
  std::atomic<bool> fast = false;  // structs and table passed the trial
  PyTypeObject* array = nullptr;
  PyTypeObject* generic = nullptr;
  DType by_type_num[32] = {};
  int type_num[kDTypeCount];                       // -1: none
  std::atomic<PyObject*> dtype[kDTypeCount] = {};  // numpy.dtype objects, made when first needed
  numpy_abi::DescrFromType descr_from_type = nullptr;
  numpy_abi::NewFromDescr new_from_descr = nullptr;
  numpy_abi::SetBaseObject set_base_object = nullptr;
};
extern NumPy numpy;

// False where NumPy is not imported, and then nothing is known.
bool meet_numpy();

// The dtype of a user-defined numpy.dtype (ml_dtypes') by its name.
DType registered_dtype(nb::handle dtype);

inline nb::object get(nb::handle o, const char* name) {
  return steal(PyObject_GetAttrString(o.ptr(), name));
}

}  // namespace tenon::python

#endif  // TENON_INTEROP_PYTHON_NUMPY_FACTS_H_
