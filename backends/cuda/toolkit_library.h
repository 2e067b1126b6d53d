// Where the libraries of a CUDA Toolkit may lie: what NVRTC and cuBLASLt have in common.
#ifndef TENON_BACKENDS_CUDA_TOOLKIT_LIBRARY_H_
#define TENON_BACKENDS_CUDA_TOOLKIT_LIBRARY_H_

#include <functional>
#include <string>

namespace tenon_cuda {

// Opens the first library of release 13 or 12 that `accept` takes and that a driver of this version
// can serve: a driver runs code of its own and of older major releases only. The candidates: the
// file in TENON_<option> alone if it is set; else `name`.so.13 and .12 where the dynamic linker
// finds them, in CUDA_HOME, in CUDA_PATH and in the usual places.
// Returns "", or why there is none. `accept` gets the handle and the file's name and answers "" or
// a reason of its own.
std::string OpenToolkitLibrary(
    const char* name, const char* option, int driver_version,
    const std::function<std::string(void* library, const std::string& path)>& accept);

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_TOOLKIT_LIBRARY_H_
