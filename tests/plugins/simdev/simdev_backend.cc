// simdev: two devices that behave like a GPU of the worst manners, for testing the core without
// any.
//
// Memory that the host cannot touch, a thread per stream, work that runs late and after random
// delays, copies that read and write host memory only then, errors that surface only at the next
// synchronisation, and strict checks of what core sends. The computing itself is done by a
// synchronous backend (inner.h).
//
// Environment: TENON_SIMDEV_DELAY_US (longest delay, default 50), TENON_SIMDEV_DELAY_ONE_IN (how
// often, default every 4th operation), TENON_SIMDEV_SEED, TENON_SIMDEV_MEMORY_MB (each device,
// default 4096).
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "tenon/abi/tenon_plugin.hpp"
#include "tests/plugins/simdev/device.h"
#include "tests/plugins/simdev/entries.h"
#include "tests/plugins/simdev/launch.h"
#include "tests/plugins/simdev/simdev_ops.h"

namespace simdev {
namespace {

using tenon::plugin::Failure;
using tenon::plugin::guard;

constexpr uint32_t kDevices = 2;
constexpr uint64_t kDeviceTag = uint64_t{0x51df} << 48;

const TenonHost* host = nullptr;  // set once, by the entry function

struct OpenDevices {
  std::mutex mutex;
  std::shared_ptr<Device> devices[kDevices];
};

// Leaked on purpose: at the exit of the process workers may still be running.
OpenDevices& Open() {
  static OpenDevices* open = new OpenDevices;
  return *open;
}

}  // namespace

std::shared_ptr<Device> FindDevice(TenonDevice handle) {
  const uint64_t index = handle - kDeviceTag;
  std::lock_guard lock(Open().mutex);
  if (index >= kDevices || Open().devices[index] == nullptr) {
    throw Failure(TENON_INVALID_ARGUMENT, "simdev: no such open device: " + std::to_string(handle));
  }
  return Open().devices[index];
}

std::shared_ptr<Device> FindWorkingDevice(TenonDevice handle) {
  std::shared_ptr<Device> device = FindDevice(handle);
  device->CheckNotLost();
  return device;
}

namespace {

void CheckIndex(uint32_t index) {
  if (index >= kDevices) {
    throw Failure(TENON_INVALID_ARGUMENT,
                  "simdev: device " + std::to_string(index) + " of " + std::to_string(kDevices));
  }
}

uint64_t Option(const char* key, uint64_t otherwise) {
  const char* text = host->option(host->ctx, key);
  return text != nullptr && *text != '\0' ? std::strtoull(text, nullptr, 10) : otherwise;
}

uint64_t TotalBytes() { return Option("SIMDEV_MEMORY_MB", 4096) << 20; }

// ---- core
// ----------------------------------------------------------------------------------------

TenonStatus DeviceCount(uint32_t* count, TenonError*) noexcept {
  *count = kDevices;
  return TENON_OK;
}

TenonStatus DeviceProps(uint32_t index, TenonDeviceProps* props, TenonError* error) noexcept {
  return guard(error, [&] {
    CheckIndex(index);
    TenonDeviceProps mine = InnerProps(host);
    mine.size = sizeof mine;
    mine.flags = 0;
    mine.total_bytes = TotalBytes();
    mine.min_alignment = 256;  // more than the CPU's, in case core takes that for granted
    mine.max_operands = std::min<uint32_t>(mine.max_operands, TENON_KIT_MAX_OPERANDS);
    mine.max_instrs = std::min<uint32_t>(mine.max_instrs, TENON_KIT_MAX_INSTRS);
    mine.max_scalars = std::min<uint32_t>(mine.max_scalars, TENON_KIT_MAX_SCALARS);
    mine.dlpack_type = 12;  // kDLExtDev
    mine.dlpack_id = index;
    std::snprintf(mine.name, sizeof mine.name, "simulated device %u", index);
    std::snprintf(mine.uuid, sizeof mine.uuid, "simdev-%u", index);
    tenon_write_struct(props, &mine, sizeof mine);
  });
}

TenonStatus DeviceOpen(uint32_t index, TenonDevice* device, TenonError* error) noexcept {
  return guard(error, [&] {
    CheckIndex(index);
    std::lock_guard lock(Open().mutex);
    if (Open().devices[index] != nullptr) {
      throw Failure(TENON_FAILED_PRECONDITION,
                    "simdev: device " + std::to_string(index) + " is open already");
    }
    Delay delay;
    delay.max_us = static_cast<uint32_t>(Option("SIMDEV_DELAY_US", delay.max_us));
    delay.one_in =
        static_cast<uint32_t>(std::max<uint64_t>(1, Option("SIMDEV_DELAY_ONE_IN", delay.one_in)));
    delay.seed = static_cast<uint32_t>(Option("SIMDEV_SEED", delay.seed));
    Open().devices[index] = std::make_shared<Device>(index, OpenInner(host), delay, TotalBytes());
    *device = kDeviceTag + index;
  });
}

void DeviceClose(TenonDevice handle) noexcept {
  guard(nullptr, [&] {
    std::shared_ptr<Device> device = FindDevice(handle);
    device->Close();
    std::lock_guard lock(Open().mutex);
    Open().devices[device->index()] = nullptr;
  });
}

TenonStatus MemAlloc(TenonDevice device, uint64_t bytes, TenonBuffer* buffer,
                     TenonError* error) noexcept {
  return guard(error, [&] {
    if (bytes == 0) throw Failure(TENON_INVALID_ARGUMENT, "simdev: mem_alloc of 0 bytes");
    *buffer = FindWorkingDevice(device)->Allocate(bytes);
  });
}

void MemFree(TenonDevice device, TenonBuffer buffer) noexcept {
  guard(nullptr, [&] { FindDevice(device)->Free(buffer); });
}

Fault OutsideOf(const Region& region, const char* name, uint64_t offset, uint64_t bytes) {
  if (offset <= region.bytes() && bytes <= region.bytes() - offset) return {};
  return {TENON_INTERNAL, std::string("simdev: the copy's ") + name + " is " +
                              std::to_string(bytes) + " bytes at " + std::to_string(offset) +
                              " of a buffer of " + std::to_string(region.bytes())};
}

TenonStatus CopyH2d(TenonDevice handle, TenonStream stream, TenonBuffer dst, uint64_t dst_offset,
                    const void* src, uint64_t bytes, TenonError* error) noexcept {
  return guard(error, [&] {
    const std::shared_ptr<Device> device = FindWorkingDevice(handle);
    const std::shared_ptr<Region> to = device->FindRegion(dst, "buffer (dst)");
    device->EnqueueCopy(*device->FindStream(stream), {to}, [=, to = to.get()] {
      Fault fault = OutsideOf(*to, "destination", dst_offset, bytes);
      if (fault.code == TENON_OK) std::memcpy(to->address() + dst_offset, src, bytes);
      return fault;
    });
  });
}

TenonStatus CopyD2h(TenonDevice handle, TenonStream stream, void* dst, TenonBuffer src,
                    uint64_t src_offset, uint64_t bytes, TenonError* error) noexcept {
  return guard(error, [&] {
    const std::shared_ptr<Device> device = FindWorkingDevice(handle);
    const std::shared_ptr<Region> from = device->FindRegion(src, "buffer (src)");
    device->EnqueueCopy(*device->FindStream(stream), {from}, [=, from = from.get()] {
      Fault fault = OutsideOf(*from, "source", src_offset, bytes);
      if (fault.code == TENON_OK) std::memcpy(dst, from->address() + src_offset, bytes);
      return fault;
    });
  });
}

TenonStatus CopyD2d(TenonDevice handle, TenonStream stream, TenonBuffer dst, uint64_t dst_offset,
                    TenonBuffer src, uint64_t src_offset, uint64_t bytes,
                    TenonError* error) noexcept {
  return guard(error, [&] {
    const std::shared_ptr<Device> device = FindWorkingDevice(handle);
    const std::shared_ptr<Region> to = device->FindRegion(dst, "buffer (dst)");
    const std::shared_ptr<Region> from = device->FindRegion(src, "buffer (src)");
    device->EnqueueCopy(
        *device->FindStream(stream), {to, from}, [=, to = to.get(), from = from.get()] {
          Fault fault = OutsideOf(*to, "destination", dst_offset, bytes);
          if (fault.code == TENON_OK) fault = OutsideOf(*from, "source", src_offset, bytes);
          if (fault.code == TENON_OK)
            std::memmove(to->address() + dst_offset, from->address() + src_offset, bytes);
          return fault;
        });
  });
}

TenonStatus KernelCreate(TenonDevice device, const TenonKernelDesc* desc, TenonKernel* kernel,
                         TenonError* error) noexcept {
  return guard(error, [&] { *kernel = FindWorkingDevice(device)->CreateKernel(desc); });
}

void KernelDestroy(TenonDevice device, TenonKernel kernel) noexcept {
  guard(nullptr, [&] { FindDevice(device)->DestroyKernel(kernel); });
}

TenonStatus KernelLaunch(TenonDevice device, TenonStream stream, TenonKernel kernel,
                         const TenonLaunch* launch, TenonError* error) noexcept {
  return guard(error, [&] { LaunchKernel(*FindWorkingDevice(device), stream, kernel, launch); });
}

// ---- memory, tensor
// ------------------------------------------------------------------------------

TenonStatus MemInfo(TenonDevice device, uint64_t* free_bytes, uint64_t* total_bytes,
                    TenonError* error) noexcept {
  return guard(error, [&] { FindWorkingDevice(device)->MemoryInfo(free_bytes, total_bytes); });
}

// Ordinary memory, but freed memory is really gone: a copy in flight from it is found by asan.
TenonStatus PinnedAlloc(TenonDevice device, uint64_t bytes, void** memory,
                        TenonError* error) noexcept {
  return guard(error, [&] {
    FindWorkingDevice(device);
    *memory = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (*memory == nullptr) throw Failure(TENON_OUT_OF_MEMORY, "simdev: no pinned memory");
  });
}

void PinnedFree(TenonDevice, void* memory) noexcept { std::free(memory); }

TenonStatus CopyPeer(TenonDevice dst_device, TenonStream stream, TenonBuffer dst,
                     uint64_t dst_offset, TenonDevice src_device, TenonBuffer src,
                     uint64_t src_offset, uint64_t bytes, TenonError* error) noexcept {
  return guard(error, [&] {
    const std::shared_ptr<Device> device = FindWorkingDevice(dst_device);
    const std::shared_ptr<Region> to = device->FindRegion(dst, "buffer (dst)");
    const std::shared_ptr<Region> from =
        FindWorkingDevice(src_device)->FindRegion(src, "buffer (src)");
    device->EnqueueCopy(
        *device->FindStream(stream), {to, from}, [=, to = to.get(), from = from.get()] {
          Fault fault = OutsideOf(*to, "destination", dst_offset, bytes);
          if (fault.code == TENON_OK) fault = OutsideOf(*from, "source", src_offset, bytes);
          if (fault.code == TENON_OK)
            std::memcpy(to->address() + dst_offset, from->address() + src_offset, bytes);
          return fault;
        });
  });
}

// Simulated memory has addresses, though nobody may look there.
TenonStatus MemImport(TenonDevice handle, void* memory, int64_t offset, uint64_t bytes,
                      TenonBuffer* buffer, uint64_t* buffer_offset, TenonError* error) noexcept {
  return guard(error, [&] {
    const std::shared_ptr<Device> device = FindWorkingDevice(handle);
    char* const first = static_cast<char*>(memory) + offset;
    for (uint32_t i = 0; i < kDevices; ++i) {
      std::shared_ptr<Device> other;
      {
        std::lock_guard lock(Open().mutex);
        other = Open().devices[i];
      }
      if (other == nullptr || other == device || !other->Owns(first)) continue;
      throw Failure(TENON_INVALID_ARGUMENT, "simdev: the memory is device " + std::to_string(i) +
                                                "'s, not device " +
                                                std::to_string(device->index()) + "'s");
    }
    *buffer = device->Import(first, bytes, buffer_offset);
  });
}

TenonStatus MemExport(TenonDevice device, TenonBuffer buffer, uint64_t buffer_offset, void** memory,
                      uint64_t* offset, TenonError* error) noexcept {
  return guard(error, [&] {
    *memory = FindWorkingDevice(device)->Export(buffer, buffer_offset);
    *offset = 0;
  });
}

TenonStatus CallMatmul(TenonDevice device, TenonStream stream, const TenonMatmulArgs* args,
                       TenonCall* call, TenonError* error) noexcept {
  return guard(error, [&] { Matmul(*FindWorkingDevice(device), stream, args, call); });
}

TenonStatus CallGather(TenonDevice device, TenonStream stream, const TenonIndexArgs* args,
                       TenonCall* call, TenonError* error) noexcept {
  return guard(error, [&] { Gather(*FindWorkingDevice(device), stream, args, call); });
}

TenonStatus CallScatter(TenonDevice device, TenonStream stream, const TenonIndexArgs* args,
                        TenonCall* call, TenonError* error) noexcept {
  return guard(error, [&] { Scatter(*FindWorkingDevice(device), stream, args, call); });
}

// ---- fused: what the backend inside has

// One entry: the function of launch.h behind the guard.
template <class Args, void (*kCall)(Device&, TenonStream, const Args*, TenonCall*)>
TenonStatus CallFused(TenonDevice device, TenonStream stream, const Args* args, TenonCall* call,
                      TenonError* error) noexcept {
  return guard(error, [&] { kCall(*FindWorkingDevice(device), stream, args, call); });
}

TenonStatus CallLaunchList(TenonDevice device, TenonStream stream, TenonKernel kernel,
                           const TenonLaunch* launches, uint32_t n, TenonError* error) noexcept {
  return guard(error, [&] { LaunchList(*FindWorkingDevice(device), stream, kernel, launches, n); });
}

// ---- extensions
// ----------------------------------------------------------------------------------

void FailAllocAfter(TenonDevice device, int64_t n) noexcept {
  guard(nullptr, [&] { FindDevice(device)->FailAllocAfter(n); });
}

void FailLaunchAfter(TenonDevice device, int64_t n, int32_t code) noexcept {
  guard(nullptr, [&] { FindDevice(device)->FailLaunchAfter(n, code); });
}

void SetMemoryLimit(TenonDevice device, uint64_t bytes) noexcept {
  guard(nullptr, [&] { FindDevice(device)->SetMemoryLimit(bytes); });
}

void Counters(TenonDevice device, uint64_t* launches, uint64_t* copies,
              uint64_t* live_buffers) noexcept {
  guard(nullptr, [&] { FindDevice(device)->Counters(launches, copies, live_buffers); });
}

void Hold(TenonDevice device, TenonStream stream, int32_t held) noexcept {
  guard(nullptr, [&] { FindDevice(device)->FindStream(stream)->Hold(held != 0); });
}

void* Address(TenonDevice device, TenonBuffer buffer) noexcept {
  void* address = nullptr;
  guard(nullptr, [&] { address = FindDevice(device)->FindRegion(buffer, "buffer")->address(); });
  return address;
}

const void* QueryExtension(const char* name, uint32_t version) noexcept {
  static const TenonTestOps test = {sizeof test,    0,       FailAllocAfter, FailLaunchAfter,
                                    SetMemoryLimit, Counters};
  static const SimdevOps own = {sizeof own, 0, Hold, Address};
  if (version == 1 && std::strcmp(name, "tenon.test") == 0) return &test;
  if (version == 1 && std::strcmp(name, "tenon.simdev") == 0) return &own;
  return nullptr;
}

constexpr TenonCoreOps core = {
    sizeof core, 0,       DeviceCount, DeviceProps, DeviceOpen,   DeviceClose,   MemAlloc,
    MemFree,     CopyH2d, CopyD2h,     CopyD2d,     KernelCreate, KernelDestroy, KernelLaunch};
constexpr TenonMemOps memory = {sizeof memory, 0,        MemInfo,   PinnedAlloc,
                                PinnedFree,    CopyPeer, MemImport, MemExport};
constexpr TenonTensorOps tensor = {sizeof tensor, 0, CallMatmul, CallGather, CallScatter};
constexpr TenonFusedOps fused = {sizeof fused,
                                 0,
                                 CallLaunchList,
                                 CallFused<TenonSoftmaxArgs, Softmax>,
                                 CallFused<TenonSoftmaxBackwardArgs, SoftmaxBackward>,
                                 CallFused<TenonCrossEntropyArgs, CrossEntropy>,
                                 CallFused<TenonLayerNormArgs, LayerNorm>,
                                 CallFused<TenonLayerNormBackwardArgs, LayerNormBackward>};
constexpr TenonBackend backend = {
    sizeof backend, TENON_ABI_MAJOR, TENON_ABI_MINOR, 0,       "simdev", "Tenon",        "0.1",
    &core,          &kStreams,       &memory,         &tensor, &fused,   QueryExtension, nullptr};

}  // namespace
}  // namespace simdev

extern "C" TENON_EXPORT TenonStatus TENON_BACKEND_ENTRY(const TenonHost* given,
                                                        const TenonBackend** out,
                                                        TenonError* error) {
  const TenonStatus status = tenon_keep_host(&simdev::host, given, "simdev", error);
  if (status == TENON_OK) *out = &simdev::backend;
  return status;
}
