// OpenCL devices of any vendor as Tenon devices. Nothing of OpenCL is linked or included: where
// there is no loader or no driver, the plug-in loads and says so.
//
//   file        what it holds
//   cl_api      the declarations used
//   runtime     the loader's functions, opened at run time; the devices found
//   device      contexts, queues, what failed and what is lost; the skeleton of a call
//   memory      allocation and copies
//   stream      streams and events
//   foreign     memory and queues shared with other OpenCL libraries
//   program     building, and the cache on disk
//   process_end what exit() waits for
//   kernel      map and reduce programs
//   matmul, index  with their *_source: the typed entries
#include <stdio.h>

#include "backends/opencl/device.h"
#include "backends/opencl/foreign.h"
#include "backends/opencl/host.h"
#include "backends/opencl/kernel.h"
#include "backends/opencl/memory.h"
#include "backends/opencl/runtime.h"
#include "backends/opencl/stream.h"
#include "backends/opencl/typed_entries.h"
#include "tenon/abi/tenon_plugin.hpp"

namespace tenon_opencl {

constinit const TenonHost* host = nullptr;

namespace {

using tenon::plugin::Failure;

const DeviceDescription& DeviceAt(uint32_t index) {
  const Runtime& cl = GetRuntime();
  if (index >= cl.devices().size()) {
    throw Failure(TENON_INVALID_ARGUMENT,
                  "opencl: device " + std::to_string(index) + " of " +
                      std::to_string(cl.devices().size()) +
                      (cl.problem().empty() ? "" : " (" + cl.problem() + ")"));
  }
  return cl.devices()[index];
}

TenonStatus DeviceCount(uint32_t* count, TenonError* error) noexcept {
  return tenon::plugin::guard(error, [&] {
    const Runtime& cl = GetRuntime();
    *count = static_cast<uint32_t>(cl.devices().size());
    if (cl.devices().empty()) tenon_fail(error, TENON_OK, "%s", cl.problem().c_str());
  });
}

TenonStatus DeviceProps(uint32_t index, TenonDeviceProps* props, TenonError* error) noexcept {
  return tenon::plugin::guard(error, [&] {
    const DeviceDescription& device = DeviceAt(index);
    if (props == nullptr || props->size < 8)
      throw Failure(TENON_INVALID_ARGUMENT, "opencl: no room for properties");
    TenonDeviceProps own = {};
    own.size = sizeof own;
    own.total_bytes = device.memory_bytes;
    own.min_alignment = device.alignment;
    own.max_operands = kMaxOperands;
    own.max_instrs = kMaxInstrs;
    own.max_scalars = kMaxScalars;
    for (uint32_t dtype = TENON_BOOL; dtype < TENON_DTYPE_COUNT; ++dtype) {
      own.storage_dtypes |= TENON_DTYPE_BIT(dtype);
      if (dtype < TENON_F64 || (dtype == TENON_F64 && device.f64))
        own.compute_dtypes |= TENON_DTYPE_BIT(dtype);
    }
    for (uint32_t op = 1; op < TENON_OPCODE_COUNT; ++op)
      own.opcodes[op / 64] |= uint64_t{1} << (op % 64);
    own.dlpack_type = 4;  // kDLOpenCL
    own.dlpack_id = index;
    snprintf(own.name, sizeof own.name, "%s", device.name.c_str());
    tenon_write_struct(props, &own, sizeof own);
  });
}

TenonStatus DeviceOpen(uint32_t index, TenonDevice* handle, TenonError* error) noexcept {
  return tenon::plugin::guard(error, [&] {
    const DeviceDescription& device = DeviceAt(index);
    GetRuntime().FailIfForked();
    *handle = tenon::plugin::to_handle(std::make_unique<Device>(GetRuntime(), device).release());
  });
}

void DeviceClose(TenonDevice handle) noexcept { delete tenon::plugin::from_handle<Device>(handle); }

constexpr TenonCoreOps kCore = {sizeof(TenonCoreOps),
                                0,
                                DeviceCount,
                                DeviceProps,
                                DeviceOpen,
                                DeviceClose,
                                MemAlloc,
                                MemFree,
                                CopyH2D,
                                CopyD2H,
                                CopyD2D,
                                KernelCreate,
                                KernelDestroy,
                                KernelLaunch};
constexpr TenonMemOps kMemory = {sizeof(TenonMemOps), 0,        MemInfo, nullptr, nullptr, nullptr,
                                 MemImport,           MemExport};
constexpr TenonTensorOps kTensor = {sizeof(TenonTensorOps), 0, Matmul, Gather, Scatter};
constexpr TenonBackend kBackend = {sizeof(TenonBackend),
                                   TENON_ABI_MAJOR,
                                   TENON_ABI_MINOR,
                                   0,
                                   "opencl",
                                   "any",
                                   "0.1",
                                   &kCore,
                                   &kStreams,
                                   &kMemory,
                                   &kTensor,
                                   nullptr,
                                   nullptr,
                                   nullptr};

}  // namespace
}  // namespace tenon_opencl

extern "C" TENON_EXPORT TenonStatus TENON_BACKEND_ENTRY(const TenonHost* host,
                                                        const TenonBackend** out,
                                                        TenonError* error) {
  const TenonStatus status = tenon_keep_host(&tenon_opencl::host, host, "opencl", error);
  if (status == TENON_OK) *out = &tenon_opencl::kBackend;
  return status;
}
