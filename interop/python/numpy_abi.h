// NumPy's stable structs (numpy/ndarraytypes.h, the fields that are the same in 1.x and 2.x) and
// table of C functions (numpy/__multiarray_api.h), without its headers. numpy_array.cc tries them
// on a real array before it relies on them.
#ifndef TENON_INTEROP_PYTHON_NUMPY_ABI_H_
#define TENON_INTEROP_PYTHON_NUMPY_ABI_H_

#include <Python.h>

namespace tenon::python::numpy_abi {

struct Descr {
  PyObject head;
  PyTypeObject* scalar_type;
  char kind, type, byteorder, flags;
  int type_num;
};
struct Array {
  PyObject head;
  char* data;
  int nd;
  Py_ssize_t* dimensions;
  Py_ssize_t* strides;
  PyObject* base;
  Descr* descr;
  int flags;
};
inline constexpr int kContiguous = 0x1, kAligned = 0x100, kWriteable = 0x400;

// Places in the table of C functions.
inline constexpr int kGetVersion = 0, kDescrFromType = 45, kNewFromDescr = 94, kSetBaseObject = 282;
using GetVersion = unsigned (*)();
using DescrFromType = PyObject* (*)(int type_num);
using NewFromDescr = PyObject* (*)(PyTypeObject*, PyObject* descr, int nd, const Py_ssize_t* dims,
                                   const Py_ssize_t* strides, void* data, int flags, PyObject* obj);
using SetBaseObject = int (*)(PyObject* array, PyObject* base);

}  // namespace tenon::python::numpy_abi

#endif  // TENON_INTEROP_PYTHON_NUMPY_ABI_H_
