// The extension module tenon._tenon: everything of the package that is C++.
// interop/python/tenon/__init__.py names it.
#include "interop/python/object.h"

NB_MODULE(_tenon, m) {
  using namespace tenon::python;  // NOLINT(google-build-using-namespace)
  nb::set_leak_warnings(false);   // what lives as long as the process is no leak
  m.attr("__name__") =
      "tenon";  // so that classes and functions are called by the name that users import
  bind_errors(m);
  bind_dtypes(m);
  bind_devices(m);
  bind_tensor_class(m);
  bind_make(m);
  bind_convert(m);
  bind_index(m);
  bind_functions(m);
  bind_elementwise(m);
  bind_standard(m);
  bind_autograd(m);
  bind_nn(m);
  bind_files(m);
  bind_numpy_arrays(m);
  bind_array_protocols(m);
  bind_dlpack(m);
  bind_cuda_array(m);
  bind_pickle(m);
}
