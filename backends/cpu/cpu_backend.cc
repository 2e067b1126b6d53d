// The CPU as a Tenon device: one synchronous device whose buffers are host addresses.
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <new>

#include "backends/cpu/fused_entries.h"
#include "backends/cpu/host.h"
#include "backends/cpu/kernel.h"
#include "backends/cpu/typed_entries.h"
#include "tenon/abi/tenon_plugin_kit.h"

namespace tenon_cpu {

constinit const TenonHost* host = nullptr;

namespace {

constexpr TenonDevice kDevice = 1;

uint64_t TotalBytes() {
  return static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
         static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

// "model name : AMD EPYC 9354" of /proc/cpuinfo.
void ProcessorName(char* name, size_t room) {
  snprintf(name, room, "CPU");
  FILE* file = fopen("/proc/cpuinfo", "re");
  if (file == nullptr) return;
  char line[256];
  while (fgets(line, sizeof line, file) != nullptr) {
    if (strncmp(line, "model name", 10) != 0) continue;
    const char* colon = strchr(line, ':');
    if (colon == nullptr) continue;
    snprintf(name, room, "%.*s", static_cast<int>(strcspn(colon + 2, "\n")), colon + 2);
    break;
  }
  fclose(file);
}

TenonStatus DeviceCount(uint32_t* count, TenonError*) noexcept {
  *count = 1;
  return TENON_OK;
}

TenonStatus DeviceProps(uint32_t index, TenonDeviceProps* props, TenonError* error) noexcept {
  if (index != 0) return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: device %u of 1", index);
  if (props == nullptr || props->size < 8)
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: no room for properties");
  TenonDeviceProps own = {};
  own.size = sizeof own;
  own.flags = TENON_DEVICE_HOST_ADDRESSABLE;
  own.total_bytes = TotalBytes();
  own.min_alignment = 64;
  own.max_operands = kMaxOperands;
  own.max_instrs = kMaxInstrs;
  own.max_scalars = kMaxScalars;
  for (uint32_t dtype = TENON_BOOL; dtype < TENON_DTYPE_COUNT; ++dtype) {
    own.storage_dtypes |= TENON_DTYPE_BIT(dtype);
    if (dtype <= TENON_F64) own.compute_dtypes |= TENON_DTYPE_BIT(dtype);
  }
  for (uint32_t op = 1; op < TENON_OPCODE_COUNT; ++op)
    own.opcodes[op / 64] |= uint64_t{1} << (op % 64);
  own.dlpack_type = 1;  // kDLCPU
  ProcessorName(own.name, sizeof own.name);
  snprintf(own.uuid, sizeof own.uuid, "cpu-0");
  tenon_write_struct(props, &own, sizeof own);
  return TENON_OK;
}

TenonStatus DeviceOpen(uint32_t index, TenonDevice* device, TenonError* error) noexcept {
  if (index != 0) return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: device %u of 1", index);
  *device = kDevice;
  return TENON_OK;
}

void DeviceClose(TenonDevice) noexcept {}

TenonStatus MemAlloc(TenonDevice, uint64_t bytes, TenonBuffer* buffer, TenonError* error) noexcept {
  if (bytes == 0) return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: an allocation of 0 bytes");
  // Fresh memory costs a page fault per page, ten times the arithmetic of an elementwise step: ask
  // for huge pages.
  constexpr uint64_t kHuge = 2 << 20;
  const bool huge = bytes >= kHuge;
  void* const p =
      bytes > UINT64_MAX / 2 ? nullptr : host->host_alloc(host->ctx, bytes, huge ? kHuge : 64);
  if (p == nullptr)
    return tenon_fail(error, TENON_OUT_OF_MEMORY, "cpu: no %llu bytes", (unsigned long long)bytes);
  if (huge) madvise(p, bytes / kHuge * kHuge, MADV_HUGEPAGE);
  *buffer = reinterpret_cast<TenonBuffer>(p);
  return TENON_OK;
}

void MemFree(TenonDevice, TenonBuffer buffer) noexcept {
  host->host_free(host->ctx, reinterpret_cast<void*>(buffer));
}

void Copy(void* dst, const void* src, uint64_t bytes) {
  ParallelFor(static_cast<int64_t>(bytes), 1 << 20, [&](int64_t begin, int64_t end) {
    memcpy(static_cast<char*>(dst) + begin, static_cast<const char*>(src) + begin,
           static_cast<size_t>(end - begin));
  });
}

TenonStatus CopyH2D(TenonDevice, TenonStream, TenonBuffer dst, uint64_t dst_offset, const void* src,
                    uint64_t bytes, TenonError*) noexcept {
  Copy(reinterpret_cast<void*>(dst + dst_offset), src, bytes);
  return TENON_OK;
}

TenonStatus CopyD2H(TenonDevice, TenonStream, void* dst, TenonBuffer src, uint64_t src_offset,
                    uint64_t bytes, TenonError*) noexcept {
  Copy(dst, reinterpret_cast<const void*>(src + src_offset), bytes);
  return TENON_OK;
}

TenonStatus CopyD2D(TenonDevice, TenonStream, TenonBuffer dst, uint64_t dst_offset, TenonBuffer src,
                    uint64_t src_offset, uint64_t bytes, TenonError*) noexcept {
  Copy(reinterpret_cast<void*>(dst + dst_offset), reinterpret_cast<const void*>(src + src_offset),
       bytes);
  return TENON_OK;
}

TenonStatus KernelCreate(TenonDevice, const TenonKernelDesc* desc, TenonKernel* kernel,
                         TenonError* error) noexcept {
  if (desc == nullptr || kernel == nullptr)
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: no description or no room for a kernel");
  try {
    std::unique_ptr<Kernel> made;
    const TenonStatus status = CreateKernel(*desc, &made, error);
    if (status == TENON_OK) *kernel = reinterpret_cast<TenonKernel>(made.release());
    return status;
  } catch (const std::bad_alloc&) {
    return tenon_fail(error, TENON_OUT_OF_MEMORY, "cpu: no memory for a kernel");
  }
}

void KernelDestroy(TenonDevice, TenonKernel kernel) noexcept {
  delete reinterpret_cast<Kernel*>(kernel);
}

TenonStatus KernelLaunch(TenonDevice, TenonStream, TenonKernel kernel, const TenonLaunch* launch,
                         TenonError* error) noexcept {
  if (kernel == 0 || launch == nullptr)
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: no kernel or no launch");
  return LaunchKernel(*reinterpret_cast<const Kernel*>(kernel), *launch, error);
}

TenonStatus MemInfo(TenonDevice, uint64_t* free_bytes, uint64_t* total_bytes,
                    TenonError*) noexcept {
  *total_bytes = TotalBytes();
  *free_bytes = static_cast<uint64_t>(sysconf(_SC_AVPHYS_PAGES)) *
                static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return TENON_OK;
}

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
constexpr TenonMemOps kMemory = {sizeof(TenonMemOps), 0, MemInfo};
constexpr TenonTensorOps kTensor = {sizeof(TenonTensorOps), 0, Matmul, Gather, Scatter};
constexpr TenonFusedOps kFused = {
    sizeof(TenonFusedOps), 0,         nullptr,          Softmax, SoftmaxBackward,
    CrossEntropy,          LayerNorm, LayerNormBackward};
constexpr TenonBackend kBackend = {sizeof(TenonBackend),
                                   TENON_ABI_MAJOR,
                                   TENON_ABI_MINOR,
                                   TENON_BACKEND_FORK_SAFE,
                                   "cpu",
                                   "tenon",
                                   "0.1",
                                   &kCore,
                                   nullptr,
                                   &kMemory,
                                   &kTensor,
                                   &kFused,
                                   nullptr,
                                   nullptr};

}  // namespace
}  // namespace tenon_cpu

extern "C" TENON_EXPORT TenonStatus TENON_BACKEND_ENTRY(const TenonHost* host,
                                                        const TenonBackend** out,
                                                        TenonError* error) {
  const TenonStatus status = tenon_keep_host(&tenon_cpu::host, host, "cpu", error);
  if (status == TENON_OK) *out = &tenon_cpu::kBackend;
  return status;
}
