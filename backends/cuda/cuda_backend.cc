// NVIDIA GPUs as Tenon devices, over the driver API. Nothing of CUDA is linked: where there is no
// driver, the plug-in loads and says so.
//
//   file        what it holds
//   driver      the driver's functions, opened at run time
//   nvrtc       the compiler, opened at run time
//   device      contexts, lost devices, the skeleton of a call
//   memory      allocation and copies
//   stream      streams and events
//   kernel      programs
#include <stdio.h>

#include "backends/cuda/device.h"
#include "backends/cuda/driver.h"
#include "backends/cuda/kernel.h"
#include "backends/cuda/memory.h"
#include "backends/cuda/stream.h"
#include "tenon/abi/tenon_plugin.hpp"
#include "tenon/backends/cuda/host.h"

namespace tenon_cuda {

constinit const TenonHost* host = nullptr;

namespace {

using tenon::plugin::Failure;

// Of a device that is not open: no context is made, so there is no Device to keep an error.
void Must(const Driver& driver, CUresult result, const char* what) {
  if (result != CUDA_SUCCESS) {
    throw Failure(TENON_INTERNAL, std::string("cuda: ") + what + ": " + driver.Describe(result));
  }
}

const Driver& DriverWithDevice(uint32_t index) {
  const Driver& driver = GetDriver();
  if (index >= static_cast<uint32_t>(driver.devices())) {
    throw Failure(TENON_INVALID_ARGUMENT,
                  "cuda: device " + std::to_string(index) + " of " +
                      std::to_string(driver.devices()) +
                      (driver.ready() ? "" : " (" + driver.problem() + ")"));
  }
  return driver;
}

TenonStatus DeviceCount(uint32_t* count, TenonError* error) noexcept {
  return tenon::plugin::guard(error, [&] {
    const Driver& driver = GetDriver();
    *count = static_cast<uint32_t>(driver.devices());
    if (!driver.ready()) tenon_fail(error, TENON_OK, "%s", driver.problem().c_str());
  });
}

TenonStatus DeviceProps(uint32_t index, TenonDeviceProps* props, TenonError* error) noexcept {
  return tenon::plugin::guard(error, [&] {
    const Driver& driver = DriverWithDevice(index);
    if (props == nullptr || props->size < 8) {
      throw Failure(TENON_INVALID_ARGUMENT, "cuda: no room for properties");
    }
    CUdevice device = 0;
    size_t bytes = 0;
    CUuuid uuid = {};
    TenonDeviceProps own = {};
    own.size = sizeof own;
    Must(driver, driver.cuDeviceGet(&device, static_cast<int>(index)), "cuDeviceGet");
    Must(driver, driver.cuDeviceTotalMem_v2(&bytes, device), "cuDeviceTotalMem");
    Must(driver, driver.cuDeviceGetName(own.name, sizeof own.name, device), "cuDeviceGetName");
    Must(driver, driver.cuDeviceGetUuid_v2(&uuid, device), "cuDeviceGetUuid");
    own.total_bytes = bytes;
    own.min_alignment = 256;  // of cuMemAlloc
    own.max_operands = kMaxOperands;
    own.max_instrs = kMaxInstrs;
    own.max_scalars = kMaxScalars;
    for (uint32_t dtype = TENON_BOOL; dtype <= TENON_C128; ++dtype) {
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
      out += snprintf(out, 4, "%s%02x", dash ? "-" : "", static_cast<unsigned char>(uuid.bytes[i]));
    }
    tenon_write_struct(props, &own, sizeof own);
  });
}

TenonStatus DeviceOpen(uint32_t index, TenonDevice* handle, TenonError* error) noexcept {
  return tenon::plugin::guard(error, [&] {
    *handle =
        tenon::plugin::to_handle(new Device(DriverWithDevice(index), static_cast<int>(index)));
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
constexpr TenonStreamOps kStreams = {sizeof(TenonStreamOps),
                                     0,
                                     StreamCreate,
                                     StreamDestroy,
                                     StreamSync,
                                     StreamQuery,
                                     EventCreate,
                                     EventDestroy,
                                     EventRecord,
                                     EventWait,
                                     EventSync,
                                     EventQuery};
constexpr TenonMemOps kMemory = {sizeof(TenonMemOps), 0, MemInfo};
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
                                   nullptr,
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
