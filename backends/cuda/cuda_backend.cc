// NVIDIA GPUs as Tenon devices, over the driver API. Nothing of CUDA is linked: where there is no
// driver, the plug-in loads and says so.
//
//   file        what it holds
//   driver      the driver's functions, opened at run time
//   discovery   which devices there are, without initialising CUDA
//   device      contexts, lost devices, the skeleton of a call
//   memory      allocation and copies; staging: those from pageable memory
//   stream      streams and events
//   foreign     memory and streams shared with other CUDA libraries
//   kernel      programs: single (one opcode, compiled with this library) and generated (by NVRTC)
//   products    matmul by cuBLASLt, opened at run time
//   indexing    gather and scatter
//   rows        softmax, cross entropy, layer norm
//   built_in    the kernels that were compiled with this library
#include <stdio.h>
#include <string.h>

#include "backends/cuda/device.h"
#include "backends/cuda/discovery.h"
#include "backends/cuda/driver.h"
#include "backends/cuda/foreign.h"
#include "backends/cuda/indexing.h"
#include "backends/cuda/kernel.h"
#include "backends/cuda/memory.h"
#include "backends/cuda/products.h"
#include "backends/cuda/rows.h"
#include "backends/cuda/stream.h"
#include "tenon/abi/tenon_plugin.hpp"
#include "tenon/backends/cuda/host.h"

namespace tenon_cuda {

constinit const TenonHost* host = nullptr;

namespace {

using tenon::plugin::Failure;

const FoundDevice& Found(uint32_t index) {
  const Discovery& found = Discover();
  if (index < found.devices.size()) return found.devices[index];
  throw Failure(TENON_INVALID_ARGUMENT,
                "cuda: device " + std::to_string(index) + " of " +
                    std::to_string(found.devices.size()) +
                    (found.problem.empty() ? "" : " (" + found.problem + ")"));
}

TenonStatus DeviceCount(uint32_t* count, TenonError* error) noexcept {
  return tenon::plugin::guard(error, [&] {
    const Discovery& found = Discover();
    *count = static_cast<uint32_t>(found.devices.size());
    if (!found.problem.empty()) tenon_fail(error, TENON_OK, "%s", found.problem.c_str());
  });
}

TenonStatus DeviceProps(uint32_t index, TenonDeviceProps* props, TenonError* error) noexcept {
  return tenon::plugin::guard(error, [&] {
    const FoundDevice& found = Found(index);
    if (props == nullptr || props->size < 8) {
      throw Failure(TENON_INVALID_ARGUMENT, "cuda: no room for properties");
    }
    TenonDeviceProps own = {};
    own.size = sizeof own;
    static_assert(sizeof own.name == sizeof found.name);
    memcpy(own.name, found.name, sizeof own.name);
    own.total_bytes = found.bytes;
    own.min_alignment = 256;  // of cuMemAlloc
    own.max_operands = kMaxOperands;
    own.max_instrs = kMaxInstrs;
    own.max_scalars = kMaxScalars;
    for (uint32_t dtype = TENON_BOOL; dtype < TENON_DTYPE_COUNT; ++dtype) {
      own.storage_dtypes |= TENON_DTYPE_BIT(dtype);
      if (dtype <= TENON_F64) own.compute_dtypes |= TENON_DTYPE_BIT(dtype);
    }
    for (uint32_t op = 1; op < TENON_OPCODE_COUNT; ++op)
      own.opcodes[op / 64] |= uint64_t{1} << (op % 64);
    own.dlpack_type = 2;  // kDLCUDA
    own.dlpack_id = index;
    // As nvidia-smi writes it.
    char* out = own.uuid;
    out += snprintf(out, 5, "GPU-");
    for (int i = 0; i < 16; ++i) {
      const bool dash = i == 4 || i == 6 || i == 8 || i == 10;
      out += snprintf(out, 4, "%s%02x", dash ? "-" : "", found.uuid[i]);
    }
    tenon_write_struct(props, &own, sizeof own);
  });
}

TenonStatus DeviceOpen(uint32_t index, TenonDevice* handle, TenonError* error) noexcept {
  return tenon::plugin::guard(error, [&] {
    Found(index);
    const Driver& driver = GetDriver();
    driver.Start();
    *handle = tenon::plugin::to_handle(
        std::make_unique<Device>(driver, static_cast<int>(index)).release());
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
constexpr TenonMemOps kMemory = {sizeof(TenonMemOps), 0,        MemInfo,   PinnedAlloc,
                                 PinnedFree,          CopyPeer, MemImport, MemExport};
constexpr TenonTensorOps kTensor = {sizeof(TenonTensorOps), 0, Matmul, Gather, Scatter};
constexpr TenonFusedOps kFused = {
    sizeof(TenonFusedOps), 0,         KernelLaunchList, Softmax, SoftmaxBackward,
    CrossEntropy,          LayerNorm, LayerNormBackward};
constexpr TenonBackend kBackend = {sizeof(TenonBackend),
                                   TENON_ABI_MAJOR,
                                   TENON_ABI_MINOR,
                                   0,
                                   "cuda",
                                   "NVIDIA",
                                   "0.1",
                                   &kCore,
                                   &kStreams,
                                   &kMemory,
                                   &kTensor,
                                   &kFused,
                                   nullptr,
                                   nullptr};

}  // namespace
}  // namespace tenon_cuda

extern "C" TENON_EXPORT TenonStatus TENON_BACKEND_ENTRY(const TenonHost* host,
                                                        const TenonBackend** out,
                                                        TenonError* error) {
  const TenonStatus status = tenon_keep_host(&tenon_cuda::host, host, "cuda", error);
  if (status == TENON_OK) *out = &tenon_cuda::kBackend;
  return status;
}
