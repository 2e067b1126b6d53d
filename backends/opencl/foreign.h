// Memory and queues that pass between this plug-in and other OpenCL libraries of the process.
//
// Both mean something in their own cl_context only, and each device of ours has one. Who wants to
// share makes his in ours, which CL_MEM_CONTEXT of any exported cl_mem names.
#ifndef TENON_BACKENDS_OPENCL_FOREIGN_H_
#define TENON_BACKENDS_OPENCL_FOREIGN_H_

#include "tenon/abi/tenon_backend.h"

namespace tenon_opencl {

TenonStatus MemImport(TenonDevice, void* memory, int64_t offset, uint64_t bytes,
                      TenonBuffer* buffer, uint64_t* buffer_offset, TenonError*) noexcept;
TenonStatus MemExport(TenonDevice, TenonBuffer, uint64_t buffer_offset, void** memory,
                      uint64_t* offset, TenonError*) noexcept;
TenonStatus StreamImport(TenonDevice, void* native, TenonStream*, TenonError*) noexcept;
TenonStatus StreamNative(TenonDevice, TenonStream, void** native, TenonError*) noexcept;

}  // namespace tenon_opencl

#endif  // TENON_BACKENDS_OPENCL_FOREIGN_H_
