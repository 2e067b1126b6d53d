// A libcuda for tests: the functions that the plug-in asks for, on host memory, synchronously.
// Kernels that were compiled with the plug-in run, as this machine's code (host_kernels.cc); so do
// those that the fake NVRTC compiled. A launch of a real compiler's kernel computes nothing.
#include "tests/cuda/fake_driver.h"

#include <cuda.h>
#include <dlfcn.h>
#include <elf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "tests/cuda/host_kernels.h"
#include "tests/cuda/work_items.h"

#define API extern "C" __attribute__((visibility("default"))) CUresult CUDAAPI

namespace {

FakeDriver fake = {};

struct Context {
  int device;
  bool faulted;
};
struct Function {
  std::string name;
  HostKernel call;  // NULL: computes nothing
};
struct Module {
  bool built_in = false;
  void* library = nullptr;
  std::map<std::string, Function> functions;
};

Context contexts[FAKE_MAX_DEVICES] = {{0, false}, {1, false}, {2, false}, {3, false}};
thread_local std::vector<Context*> current;
std::recursive_mutex mutex;
std::set<const void*> pinned;
struct Allocation {
  size_t bytes;
  int device;
};
std::map<CUdeviceptr, Allocation> memory;
std::map<CUevent, CUstream> recorded_on;

// Before everything: may a call be made at all?
CUresult Started() {
  if (fake.ended) return CUDA_ERROR_DEINITIALIZED;
  // A forked child of the process that called cuInit cannot use CUDA.
  return fake.initialised_in == getpid() ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
}

// Everything between open and close asks for a current context first.
CUresult InContext() {
  if (const CUresult result = Started(); result != CUDA_SUCCESS) return result;
  if (current.empty()) return CUDA_ERROR_INVALID_CONTEXT;
  return current.back()->faulted ? CUDA_ERROR_ILLEGAL_ADDRESS : CUDA_SUCCESS;
}

template <class Handle>
CUresult Make(Handle* handle, int* live) {
  const CUresult result = InContext();
  if (result != CUDA_SUCCESS) return result;
  *handle = reinterpret_cast<Handle>(malloc(1));
  ++*live;
  return CUDA_SUCCESS;
}

template <class Handle>
CUresult Drop(Handle handle, int* live) {
  if (fake.ended) return CUDA_ERROR_DEINITIALIZED;
  free(reinterpret_cast<void*>(handle));
  --*live;
  return InContext();
}

CUresult Query() {
  const CUresult result = InContext();
  return result == CUDA_SUCCESS && fake.busy ? CUDA_ERROR_NOT_READY : result;
}

CUresult Copy(void* to, const void* from, size_t bytes) {
  const CUresult result = InContext();
  if (result == CUDA_SUCCESS) memcpy(to, from, bytes);
  return result;
}

// The fake NVRTC's code is a shared library; it finds work_items in this one.
void* OpenImage(const Elf64_Ehdr* head) {
  Dl_info own = {};
  if (dladdr(&fake, &own) != 0) dlopen(own.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
  std::string path = std::filesystem::temp_directory_path() / "tenon_fake_XXXXXX";
  const int file = mkstemp(path.data());
  const size_t bytes = head->e_shoff + size_t{head->e_shentsize} * head->e_shnum;
  const bool written = file >= 0 && write(file, head, bytes) == static_cast<ssize_t>(bytes);
  if (file >= 0) close(file);
  void* const library = written ? dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) : nullptr;
  if (library == nullptr) fprintf(stderr, "fake driver: %s\n", dlerror());
  unlink(path.c_str());
  return library;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) FakeDriver* tenon_fake_driver(void) {
  return &fake;
}
// For programs that know nothing of the fake: one device.
__attribute__((constructor)) static void Defaults() {
  fake.version = 13000;
  fake.devices = 1;
}

API cuInit(unsigned int) {
  if (fake.crash_in_init) raise(SIGKILL);
  if (fake.initialised_in != 0 && fake.initialised_in != getpid())
    return CUDA_ERROR_NOT_INITIALIZED;
  for (Context& context : contexts) context.faulted = false;
  if (fake.init_result == 0) fake.initialised_in = getpid();
  return static_cast<CUresult>(fake.init_result);
}
API cuDriverGetVersion(int* version) {
  *version = fake.version;
  return CUDA_SUCCESS;
}
API cuGetErrorName(CUresult error, const char** text) {
  *text = error == CUDA_ERROR_ILLEGAL_ADDRESS           ? "CUDA_ERROR_ILLEGAL_ADDRESS"
          : error == CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES ? "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"
                                                        : "CUDA_ERROR_FAKE";
  return CUDA_SUCCESS;
}
API cuGetErrorString(CUresult error, const char** text) {
  *text = error == CUDA_ERROR_ILLEGAL_ADDRESS ? "an illegal memory access was encountered"
                                              : "something else";
  return CUDA_SUCCESS;
}
API cuDeviceGetCount(int* count) {
  *count = fake.devices;
  return Started();
}
API cuDeviceGet(CUdevice* device, int ordinal) {
  *device = 100 + ordinal;
  return Started();
}
API cuDeviceGetName(char* name, int room, CUdevice) {
  snprintf(name, static_cast<size_t>(room), "Fake GPU");
  return Started();
}
API cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice) {
  for (int i = 0; i < 16; ++i) uuid->bytes[i] = static_cast<char>(i * 17);
  return Started();
}
API cuDeviceTotalMem_v2(size_t* bytes, CUdevice) {
  *bytes = size_t{1} << 30;
  return Started();
}
API cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice) {
  *value = attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? 9
           : attribute == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT   ? 4
                                                                     : 0;
  return Started();
}
API cuDevicePrimaryCtxRetain(CUcontext* made, CUdevice device) {
  *made = reinterpret_cast<CUcontext>(&contexts[device - 100]);
  if (const CUresult result = Started(); result != CUDA_SUCCESS) return result;
  ++fake.live_contexts;
  return CUDA_SUCCESS;
}
API cuDevicePrimaryCtxRelease_v2(CUdevice) {
  --fake.live_contexts;
  return Started();
}
API cuCtxPushCurrent_v2(CUcontext pushed) {
  if (const CUresult result = Started(); result != CUDA_SUCCESS) return result;
  current.push_back(reinterpret_cast<Context*>(pushed));
  const std::lock_guard lock(mutex);
  ++fake.context_depth;
  return CUDA_SUCCESS;
}
API cuCtxPopCurrent_v2(CUcontext* popped) {
  *popped = reinterpret_cast<CUcontext>(current.back());
  current.pop_back();
  const std::lock_guard lock(mutex);
  --fake.context_depth;
  return CUDA_SUCCESS;
}
API cuCtxGetCurrent(CUcontext* context) {
  *context = current.empty() ? nullptr : reinterpret_cast<CUcontext>(current.back());
  return Started();
}
API cuMemAlloc_v2(CUdeviceptr* address, size_t bytes) {
  const std::lock_guard lock(mutex);
  const CUresult result = InContext();
  if (result != CUDA_SUCCESS) return result;
  if (fake.fail_alloc_at > 0 && --fake.fail_alloc_at == 0) return CUDA_ERROR_OUT_OF_MEMORY;
  if (bytes > size_t{1} << 34) return CUDA_ERROR_OUT_OF_MEMORY;
  void* const made = aligned_alloc(256, (bytes + 255) / 256 * 256);
  memset(made, 0xA5, bytes);  // never zero by luck
  *address = reinterpret_cast<CUdeviceptr>(made);
  memory[*address] = {bytes, current.back()->device};
  ++fake.live_allocations;
  return CUDA_SUCCESS;
}
API cuMemFree_v2(CUdeviceptr address) {
  const std::lock_guard lock(mutex);
  if (fake.ended) return CUDA_ERROR_DEINITIALIZED;
  if (memory.erase(address) == 0) return CUDA_ERROR_INVALID_VALUE;
  return Drop(address, &fake.live_allocations);
}
API cuMemGetInfo_v2(size_t* free_bytes, size_t* total) {
  *free_bytes = 1000;
  *total = size_t{1} << 30;
  return InContext();
}
API cuMemHostAlloc(void** made, size_t bytes, unsigned int) {
  const std::lock_guard lock(mutex);
  const CUresult result = InContext();
  if (result != CUDA_SUCCESS) return result;
  if (fake.fail_pinned) return CUDA_ERROR_OUT_OF_MEMORY;
  *made = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  pinned.insert(*made);
  ++fake.live_pinned;
  return CUDA_SUCCESS;
}
API cuMemFreeHost(void* p) {
  const std::lock_guard lock(mutex);
  if (pinned.erase(p) == 0) return CUDA_ERROR_INVALID_VALUE;
  return Drop(p, &fake.live_pinned);
}
API cuPointerGetAttribute(void* data, CUpointer_attribute asked, CUdeviceptr p) {
  const std::lock_guard lock(mutex);
  const bool is_host = pinned.count(reinterpret_cast<void*>(p)) != 0;
  auto found = memory.upper_bound(p);
  const bool is_device =
      found != memory.begin() && (--found, p - found->first < found->second.bytes);
  if (!is_host && !is_device) return CUDA_ERROR_INVALID_VALUE;
  switch (asked) {
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      *static_cast<unsigned*>(data) = is_host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      *static_cast<int*>(data) = is_host ? 0 : found->second.device;
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}
API cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t bytes, CUstream) {
  const CUresult result = InContext();
  if (result == CUDA_SUCCESS) memset(reinterpret_cast<void*>(to), value, bytes);
  return result;
}
API cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t bytes, CUstream) {
  const std::lock_guard lock(mutex);
  fake.staged_copies += pinned.count(from) != 0;
  return Copy(reinterpret_cast<void*>(to), from, bytes);
}
API cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t bytes, CUstream) {
  return Copy(to, reinterpret_cast<const void*>(from), bytes);
}
API cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream) {
  return Copy(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes);
}
API cuMemcpyPeerAsync(CUdeviceptr to, CUcontext, CUdeviceptr from, CUcontext, size_t bytes,
                      CUstream) {
  return Copy(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes);
}
API cuStreamCreateWithPriority(CUstream* handle, unsigned int flags, int) {
  if (flags != CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
  const std::lock_guard lock(mutex);
  return Make(handle, &fake.live_streams);
}
API cuStreamDestroy_v2(CUstream handle) {
  const std::lock_guard lock(mutex);
  return Drop(handle, &fake.live_streams);
}
API cuStreamSynchronize(CUstream) {
  const std::lock_guard lock(mutex);
  ++fake.host_waits;
  return InContext();
}
API cuStreamQuery(CUstream) { return Query(); }
API cuStreamWaitEvent(CUstream stream, CUevent event, unsigned int) {
  const std::lock_guard lock(mutex);
  fake.waiting_stream = stream;
  fake.earlier_stream = recorded_on[event];
  return InContext();
}
API cuEventCreate(CUevent* handle, unsigned int) {
  const std::lock_guard lock(mutex);
  return Make(handle, &fake.live_events);
}
API cuEventDestroy_v2(CUevent handle) {
  const std::lock_guard lock(mutex);
  return Drop(handle, &fake.live_events);
}
API cuEventRecord(CUevent event, CUstream stream) {
  const std::lock_guard lock(mutex);
  recorded_on[event] = stream;
  return InContext();
}
API cuEventSynchronize(CUevent) {
  const std::lock_guard lock(mutex);
  ++fake.host_waits;
  return InContext();
}
API cuEventQuery(CUevent) { return Query(); }
API cuModuleLoadData(CUmodule* handle, const void* image) {
  const std::lock_guard lock(mutex);
  if (const CUresult result = InContext(); result != CUDA_SUCCESS) return result;
  if (fake.refuse_images) return CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
  constexpr unsigned kFatbin = 0xBA55ED50;
  auto* const module = new Module;
  unsigned magic = 0;
  memcpy(&magic, image, sizeof magic);
  const auto* const head = static_cast<const Elf64_Ehdr*>(image);
  if (magic == kFatbin) {
    module->built_in = true;
  } else if (memcmp(image, ELFMAG, SELFMAG) != 0) {
    delete module;
    return CUDA_ERROR_INVALID_IMAGE;
  } else if (head->e_machine == EM_X86_64 || head->e_machine == EM_AARCH64) {
    module->library = OpenImage(head);
  }
  *handle = reinterpret_cast<CUmodule>(module);
  ++fake.live_modules;
  return CUDA_SUCCESS;
}
API cuModuleUnload(CUmodule handle) {
  const std::lock_guard lock(mutex);
  delete reinterpret_cast<Module*>(handle);  // a library stays open, as work might be pending
  --fake.live_modules;
  return InContext();
}
API cuModuleGetFunction(CUfunction* handle, CUmodule from, const char* name) {
  const std::lock_guard lock(mutex);
  if (const CUresult result = InContext(); result != CUDA_SUCCESS) return result;
  auto* const module = reinterpret_cast<Module*>(from);
  HostKernel call = nullptr;
  if (module->built_in) {
    call = FindHostKernel(name);
    if (call == nullptr) return CUDA_ERROR_NOT_FOUND;
  } else if (module->library != nullptr) {
    call =
        reinterpret_cast<HostKernel>(dlsym(module->library, (std::string("call_") + name).c_str()));
    if (call == nullptr) return CUDA_ERROR_NOT_FOUND;
  }
  Function& function = module->functions[name];
  function = {name, call};
  *handle = reinterpret_cast<CUfunction>(&function);
  return CUDA_SUCCESS;
}
API cuLaunchKernel(CUfunction launched, unsigned int blocks, unsigned int, unsigned int,
                   unsigned int threads, unsigned int, unsigned int, unsigned int, CUstream,
                   void** arguments, void**) {
  const std::lock_guard lock(mutex);
  if (const CUresult result = InContext(); result != CUDA_SUCCESS) return result;
  if (fake.fail_launch_at > 0 && --fake.fail_launch_at == 0)
    return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
  const Function& function = *reinterpret_cast<Function*>(launched);
  ++fake.launches;
  static const bool trace = getenv("TENON_FAKE_TRACE") != nullptr;
  if (trace) fprintf(stderr, "launch %s\n", function.name.c_str());
  fake.last_blocks = blocks;
  fake.last_threads = threads;
  snprintf(fake.last_kernel, sizeof fake.last_kernel, "%s", function.name.c_str());
  if (function.call != nullptr) {
    work_items::RunGrid([&] { function.call(arguments); }, blocks, static_cast<int>(threads));
  } else {
    ++fake.unknown_kernels;
  }
  if (fake.fault_at_launch > 0 && --fake.fault_at_launch == 0)
    current.back()->faulted = true;  // late: this call still says yes
  return CUDA_SUCCESS;
}
