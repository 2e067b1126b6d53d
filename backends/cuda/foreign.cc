#include "backends/cuda/foreign.h"

#include <memory>
#include <string>

#include "backends/cuda/device.h"

namespace tenon_cuda {

using tenon::plugin::Failure;
using tenon::plugin::to_handle;

void ImportedMemory::Add(uint64_t address) {
  const std::lock_guard lock(mutex_);
  ++count_[address];
}

bool ImportedMemory::Remove(uint64_t address) {
  const std::lock_guard lock(mutex_);
  const auto found = count_.find(address);
  if (found == count_.end()) return false;
  if (--found->second == 0) count_.erase(found);
  return true;
}

namespace {

// The driver knows of every address whose it is. (Not of the range around it: what lies in one
// piece may have been mapped in several.)
void CheckOnDevice(Device& device, CUdeviceptr address, const char* which) {
  const Driver& driver = device.driver();
  unsigned type = 0;
  int ordinal = -1;
  CUresult result = driver.cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, address);
  if (result == CUDA_ERROR_INVALID_VALUE) {
    throw Failure(TENON_INVALID_ARGUMENT, std::string("cuda: ") + which +
                                              " is no memory that CUDA knows; perhaps it is plain "
                                              "host memory, or was freed");
  }
  device.Check(result, "cuPointerGetAttribute");
  if (type == CU_MEMORYTYPE_HOST) {
    throw Failure(
        TENON_INVALID_ARGUMENT,
        std::string("cuda: ") + which + " is pinned host memory (kDLCUDAHost), not the device's");
  }
  device.Check(driver.cuPointerGetAttribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, address),
               "cuPointerGetAttribute");
  if (ordinal != device.index()) {
    throw Failure(TENON_INVALID_ARGUMENT, std::string("cuda: ") + which +
                                              " is memory of cuda:" + std::to_string(ordinal) +
                                              ", not of cuda:" + std::to_string(device.index()));
  }
}

}  // namespace

TenonStatus MemImport(TenonDevice handle, void* memory, int64_t offset, uint64_t bytes,
                      TenonBuffer* buffer, uint64_t* buffer_offset, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) {
    const CUdeviceptr first =
        reinterpret_cast<CUdeviceptr>(memory) + static_cast<CUdeviceptr>(offset);
    CheckOnDevice(device, first, "its first byte");
    CheckOnDevice(device, first + bytes - 1, "its last byte");
    device.imported().Add(first);
    *buffer = first;
    *buffer_offset = 0;
  });
}

TenonStatus MemExport(TenonDevice handle, TenonBuffer buffer, uint64_t buffer_offset, void** memory,
                      uint64_t* offset, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device&) {
    *memory = reinterpret_cast<void*>(buffer + buffer_offset);
    *offset = 0;
  });
}

TenonStatus StreamImport(TenonDevice handle, void* native, TenonStream* stream,
                         TenonError* error) noexcept {
  return on_device(handle, error, [&](Device&) {
    if (native == nullptr) {
      throw Failure(TENON_INVALID_ARGUMENT,
                    "cuda: stream 0 is ambiguous: 1 is the legacy default stream, 2 the thread's");
    }
    auto made = std::make_unique<Stream>();
    made->handle = static_cast<CUstream>(native);
    made->foreign = true;
    *stream = to_handle(made.release());
  });
}

TenonStatus StreamNative(TenonDevice handle, TenonStream stream, void** native,
                         TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) { *native = device.stream(stream).handle; });
}

}  // namespace tenon_cuda
