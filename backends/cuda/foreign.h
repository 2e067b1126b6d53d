// Memory and streams that pass between this plug-in and other CUDA libraries of the process. All
// share the primary context, so an address or a CUstream means the same to each of them.
#ifndef TENON_BACKENDS_CUDA_FOREIGN_H_
#define TENON_BACKENDS_CUDA_FOREIGN_H_

#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "tenon/abi/tenon_backend.h"

namespace tenon_cuda {

// The addresses that are others' to free. A buffer's handle is its address, so one of our own may
// be in here, too: core frees the import first.
class ImportedMemory {
 public:
  void Add(uint64_t address);
  bool Remove(uint64_t address);  // false: it is ours

 private:
  std::mutex mutex_;
  std::unordered_map<uint64_t, uint64_t> count_;
};

TenonStatus MemImport(TenonDevice, void* memory, int64_t offset, uint64_t bytes,
                      TenonBuffer* buffer, uint64_t* buffer_offset, TenonError*) noexcept;
TenonStatus MemExport(TenonDevice, TenonBuffer, uint64_t buffer_offset, void** memory,
                      uint64_t* offset, TenonError*) noexcept;
TenonStatus StreamImport(TenonDevice, void* native, TenonStream*, TenonError*) noexcept;
TenonStatus StreamNative(TenonDevice, TenonStream, void** native, TenonError*) noexcept;

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_FOREIGN_H_
