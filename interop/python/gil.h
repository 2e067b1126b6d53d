// The GIL, and what stands in for it where there is none: who may touch Python's objects when.
//
// Built for a free-threaded interpreter the module does without a GIL (nanobind then says so,
// Py_mod_gil). What the GIL guards elsewhere is guarded by ModuleLock there: NumPy's facts
// (numpy_array.cc), the table of ufuncs (elementwise.cc), what warned once (errors.cc); there is no
// list of free Tensor objects, and lists are copied before they are read (fast_items()). Tensors
// themselves need no lock. Nothing of Python's is made in the initialiser of a function's static:
// who waits for one of those keeps the garbage collector waiting, too.
#ifndef TENON_INTEROP_PYTHON_GIL_H_
#define TENON_INTEROP_PYTHON_GIL_H_

#include <Python.h>
#include <cxxabi.h>
#include <unistd.h>

#include <memory>

namespace tenon::python {

// Held while what the module keeps for the whole process is looked at or changed. With a GIL it is
// nothing. Not recursive: no call to what may come back here.
class ModuleLock {
#ifdef Py_GIL_DISABLED
 public:
  ModuleLock() { PyMutex_Lock(&mutex_); }
  ~ModuleLock() { PyMutex_Unlock(&mutex_); }

 private:
  static inline PyMutex mutex_ = {0};
#else
 public:
  ModuleLock() {}  // not trivial, so that one that is only declared counts as used
#endif
};

// PySequence_Fast(), but for a list that other threads may change at any time, a tuple of its
// items.
inline PyObject* fast_items(PyObject* o, const char* message) {
#ifdef Py_GIL_DISABLED
  if (PyList_Check(o)) return PyList_AsTuple(o);
#endif
  return PySequence_Fast(o, message);
}

// Drops a reference from any thread, with or without the GIL. Without it the object is put on a
// list that the next long call to end, or Python's main thread, empties: a thread that waited for
// the GIL here could hold a lock that the GIL's holder waits for. After the interpreter's end
// objects are leaked.
void drop_anywhere(PyObject* o) noexcept;
void drop_waiting() noexcept;

// An owner for C++ memory (interop::NdArray) that keeps a Python object.
std::shared_ptr<const void> keep(PyObject* o);

// Calls f, in which Python may end this thread: a daemon thread that wants the GIL while the
// interpreter shuts down is unwound by pthread_exit() before Python 3.14, which no C++ frame that
// may not throw survives. It sleeps for ever instead, as in 3.14.
template <class F>
auto or_sleep(F&& f) -> decltype(f()) {
  try {
    return f();
  } catch (abi::__forced_unwind&) {
    for (;;) pause();
  }
}

class WithoutGil {
 public:
  WithoutGil() : state_(PyEval_SaveThread()) {}
  ~WithoutGil() {
    or_sleep([&] { PyEval_RestoreThread(state_); });
    drop_waiting();
  }
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

 private:
  PyThreadState* state_;
};

// For what C++ calls back, on whatever thread.
class WithGil {
 public:
  WithGil() : state_(or_sleep([] { return PyGILState_Ensure(); })) {}
  ~WithGil() { PyGILState_Release(state_); }
  WithGil(const WithGil&) = delete;
  WithGil& operator=(const WithGil&) = delete;

 private:
  PyGILState_STATE state_;
};

}  // namespace tenon::python

#endif  // TENON_INTEROP_PYTHON_GIL_H_
