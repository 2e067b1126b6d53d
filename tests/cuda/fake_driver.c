/* A libcuda for tests: the functions that the plug-in asks for, on host memory, synchronously. A
 * launch computes nothing. */
#include "tests/cuda/fake_driver.h"

#include <cuda.h>
#include <stdlib.h>
#include <string.h>

#define API __attribute__((visibility("default"))) CUresult CUDAAPI

static FakeDriver fake = {13000, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
static int faulted;
static char context, stream, event, module, function;

__attribute__((visibility("default"))) FakeDriver* tenon_fake_driver(void) { return &fake; }

/* Everything between open and close asks for a current context first. */
static CUresult in_context(void) {
  if (fake.context_depth == 0) return CUDA_ERROR_INVALID_CONTEXT;
  return faulted ? CUDA_ERROR_ILLEGAL_ADDRESS : CUDA_SUCCESS;
}

static CUresult made(void* handle, void* it, int* live) {
  const CUresult result = in_context();
  if (result != CUDA_SUCCESS) return result;
  *(void**)handle = it;
  ++*live;
  return CUDA_SUCCESS;
}

static CUresult gone(int* live) {
  --*live;
  return in_context();
}

API cuInit(unsigned int flags) {
  (void)flags;
  faulted = 0;
  return (CUresult)fake.init_result;
}
API cuDriverGetVersion(int* version) {
  *version = fake.version;
  return CUDA_SUCCESS;
}
API cuGetErrorName(CUresult error, const char** text) {
  *text = error == CUDA_ERROR_ILLEGAL_ADDRESS ? "CUDA_ERROR_ILLEGAL_ADDRESS" : "CUDA_ERROR_FAKE";
  return CUDA_SUCCESS;
}
API cuGetErrorString(CUresult error, const char** text) {
  *text = error == CUDA_ERROR_ILLEGAL_ADDRESS ? "an illegal memory access was encountered"
                                              : "something else";
  return CUDA_SUCCESS;
}
API cuDeviceGetCount(int* count) {
  *count = fake.devices;
  return CUDA_SUCCESS;
}
API cuDeviceGet(CUdevice* device, int ordinal) {
  *device = 100 + ordinal;
  return CUDA_SUCCESS;
}
API cuDeviceGetName(char* name, int room, CUdevice device) {
  (void)device;
  strncpy(name, "Fake GPU", (size_t)room);
  return CUDA_SUCCESS;
}
API cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice device) {
  (void)device;
  for (int i = 0; i < 16; ++i) uuid->bytes[i] = (char)(i * 17);
  return CUDA_SUCCESS;
}
API cuDeviceTotalMem_v2(size_t* bytes, CUdevice device) {
  (void)device;
  *bytes = (size_t)1 << 30;
  return CUDA_SUCCESS;
}
API cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
  (void)device;
  *value = attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? 9
           : attribute == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT   ? 4
                                                                     : 0;
  return CUDA_SUCCESS;
}
API cuDevicePrimaryCtxRetain(CUcontext* made_context, CUdevice device) {
  (void)device;
  *made_context = (CUcontext)&context;
  ++fake.live_contexts;
  return CUDA_SUCCESS;
}
API cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  (void)device;
  --fake.live_contexts;
  return CUDA_SUCCESS;
}
API cuCtxPushCurrent_v2(CUcontext pushed) {
  if (pushed != (CUcontext)&context) return CUDA_ERROR_INVALID_CONTEXT;
  ++fake.context_depth;
  return CUDA_SUCCESS;
}
API cuCtxPopCurrent_v2(CUcontext* popped) {
  *popped = (CUcontext)&context;
  --fake.context_depth;
  return CUDA_SUCCESS;
}
API cuMemAlloc_v2(CUdeviceptr* address, size_t bytes) {
  const CUresult result = in_context();
  if (result != CUDA_SUCCESS) return result;
  if (fake.fail_alloc_at > 0 && --fake.fail_alloc_at == 0) return CUDA_ERROR_OUT_OF_MEMORY;
  *address = (CUdeviceptr)aligned_alloc(256, (bytes + 255) / 256 * 256);
  ++fake.live_allocations;
  return CUDA_SUCCESS;
}
API cuMemFree_v2(CUdeviceptr address) {
  free((void*)address);
  return gone(&fake.live_allocations);
}
API cuMemGetInfo_v2(size_t* free_bytes, size_t* total) {
  *free_bytes = 1000;
  *total = (size_t)1 << 30;
  return in_context();
}
static CUresult copy(void* to, const void* from, size_t bytes) {
  const CUresult result = in_context();
  if (result == CUDA_SUCCESS) memcpy(to, from, bytes);
  return result;
}
API cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t bytes, CUstream on) {
  (void)on;
  return copy((void*)to, from, bytes);
}
API cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t bytes, CUstream on) {
  (void)on;
  return copy(to, (const void*)from, bytes);
}
API cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream on) {
  (void)on;
  return copy((void*)to, (const void*)from, bytes);
}
API cuStreamCreateWithPriority(CUstream* handle, unsigned int flags, int priority) {
  (void)priority;
  if (flags != CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
  return made(handle, &stream, &fake.live_streams);
}
API cuStreamDestroy_v2(CUstream handle) {
  (void)handle;
  return gone(&fake.live_streams);
}
API cuStreamSynchronize(CUstream handle) {
  (void)handle;
  return in_context();
}
static CUresult query(void) {
  const CUresult result = in_context();
  return result == CUDA_SUCCESS && fake.busy ? CUDA_ERROR_NOT_READY : result;
}
API cuStreamQuery(CUstream handle) {
  (void)handle;
  return query();
}
API cuStreamWaitEvent(CUstream handle, CUevent waited, unsigned int flags) {
  (void)handle, (void)waited, (void)flags;
  return in_context();
}
API cuEventCreate(CUevent* handle, unsigned int flags) {
  (void)flags;
  return made(handle, &event, &fake.live_events);
}
API cuEventDestroy_v2(CUevent handle) {
  (void)handle;
  return gone(&fake.live_events);
}
API cuEventRecord(CUevent handle, CUstream on) {
  (void)handle, (void)on;
  return in_context();
}
API cuEventSynchronize(CUevent handle) {
  (void)handle;
  return in_context();
}
API cuEventQuery(CUevent handle) {
  (void)handle;
  return query();
}
API cuModuleLoadData(CUmodule* handle, const void* image) {
  return memcmp(image, "\177ELF", 4) != 0 ? CUDA_ERROR_INVALID_IMAGE
                                          : made(handle, &module, &fake.live_modules);
}
API cuModuleUnload(CUmodule handle) {
  (void)handle;
  return gone(&fake.live_modules);
}
API cuModuleGetFunction(CUfunction* handle, CUmodule from, const char* name) {
  (void)from, (void)name;
  *handle = (CUfunction)&function;
  return in_context();
}
API cuLaunchKernel(CUfunction launched, unsigned int blocks, unsigned int blocks_y,
                   unsigned int blocks_z, unsigned int threads, unsigned int threads_y,
                   unsigned int threads_z, unsigned int shared, CUstream on, void** arguments,
                   void** extra) {
  const CUresult result = in_context();
  (void)launched, (void)blocks_y, (void)blocks_z, (void)threads_y, (void)threads_z, (void)shared,
      (void)on;
  (void)arguments, (void)extra;
  if (result != CUDA_SUCCESS) return result;
  ++fake.launches;
  fake.last_blocks = blocks;
  fake.last_threads = threads;
  if (fake.fault_at_launch > 0 && --fake.fault_at_launch == 0)
    faulted = 1; /* late: this call still says yes */
  return CUDA_SUCCESS;
}
