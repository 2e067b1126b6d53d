/* mini.c -- the smallest honest backend: a device with memory and compute, synchronous, in C99.
 * Copy it to start one of your own, then replace the interpreter's kernels by better ones. Its
 * memory is not host addressable: a handle is the complement of an address, so that whoever takes
 * it for a pointer finds out at once. */
#include "tenon/abi/tenon_kit_interpreter.h"

static const TenonHost* host;

static void* address(TenonBuffer buffer) { return (void*)(uintptr_t)~buffer; }

static TenonStatus device_count(uint32_t* count, TenonError* error) {
  (void)error;
  *count = 1;
  return TENON_OK;
}
static TenonStatus device_props(uint32_t index, TenonDeviceProps* props, TenonError* error) {
  const uint64_t dtypes = ((1ull << TENON_C64) - 1) & ~1ull; /* all but complex */
  TenonDeviceProps mine = {.size = sizeof mine,
                           .min_alignment = 64,
                           .max_operands = TENON_KIT_MAX_OPERANDS,
                           .max_instrs = TENON_KIT_MAX_INSTRS,
                           .max_scalars = TENON_KIT_MAX_SCALARS,
                           .storage_dtypes = (1ull << TENON_DTYPE_COUNT) - 2,
                           .compute_dtypes = dtypes,
                           .opcodes = {~1ull, 1ull},
                           .name = "mini"};
  if (index != 0) return tenon_fail(error, TENON_INVALID_ARGUMENT, "mini: device %u of 1", index);
  tenon_write_struct(props, &mine, sizeof mine);
  return TENON_OK;
}
static TenonStatus device_open(uint32_t index, TenonDevice* device, TenonError* error) {
  if (index != 0) return tenon_fail(error, TENON_INVALID_ARGUMENT, "mini: device %u of 1", index);
  *device = 1;
  return TENON_OK;
}
static void device_close(TenonDevice device) { (void)device; }

static TenonStatus mem_alloc(TenonDevice device, uint64_t bytes, TenonBuffer* buffer,
                             TenonError* error) {
  void* p = host->host_alloc(host->ctx, bytes, 64);
  (void)device;
  if (p == NULL)
    return tenon_fail(error, TENON_OUT_OF_MEMORY, "mini: no memory for %llu bytes",
                      (unsigned long long)bytes);
  *buffer = ~(TenonBuffer)(uintptr_t)p;
  return TENON_OK;
}
static void mem_free(TenonDevice device, TenonBuffer buffer) {
  (void)device;
  host->host_free(host->ctx, address(buffer));
}

static TenonStatus copy_h2d(TenonDevice device, TenonStream stream, TenonBuffer dst,
                            uint64_t offset, const void* src, uint64_t bytes, TenonError* error) {
  (void)device, (void)stream, (void)error;
  memcpy((char*)address(dst) + offset, src, bytes);
  return TENON_OK;
}
static TenonStatus copy_d2h(TenonDevice device, TenonStream stream, void* dst, TenonBuffer src,
                            uint64_t offset, uint64_t bytes, TenonError* error) {
  (void)device, (void)stream, (void)error;
  memcpy(dst, (char*)address(src) + offset, bytes);
  return TENON_OK;
}
static TenonStatus copy_d2d(TenonDevice device, TenonStream stream, TenonBuffer dst,
                            uint64_t dst_offset, TenonBuffer src, uint64_t src_offset,
                            uint64_t bytes, TenonError* error) {
  (void)device, (void)stream, (void)error;
  memmove((char*)address(dst) + dst_offset, (char*)address(src) + src_offset, bytes);
  return TENON_OK;
}

static TenonStatus kernel_create(TenonDevice device, const TenonKernelDesc* desc,
                                 TenonKernel* kernel, TenonError* error) {
  (void)device;
  return tenon_interpreter_create(desc, kernel, error);
}
static void kernel_destroy(TenonDevice device, TenonKernel kernel) {
  (void)device;
  tenon_interpreter_destroy(kernel);
}
static TenonStatus kernel_launch(TenonDevice device, TenonStream stream, TenonKernel kernel,
                                 const TenonLaunch* launch, TenonError* error) {
  (void)device, (void)stream;
  return tenon_interpreter_launch(kernel, launch, address, error);
}

static const TenonCoreOps core = {sizeof core,    0,
                                  device_count,   device_props,
                                  device_open,    device_close,
                                  mem_alloc,      mem_free,
                                  copy_h2d,       copy_d2h,
                                  copy_d2d,       kernel_create,
                                  kernel_destroy, kernel_launch};
static const TenonBackend backend = {.size = sizeof backend,
                                     .abi_major = TENON_ABI_MAJOR,
                                     .abi_minor = TENON_ABI_MINOR,
                                     .flags = TENON_BACKEND_FORK_SAFE,
                                     .name = "mini",
                                     .vendor = "Tenon",
                                     .version = "0.1",
                                     .core = &core};

TENON_EXPORT TenonStatus TENON_BACKEND_ENTRY(const TenonHost* given, const TenonBackend** out,
                                             TenonError* error) {
  const TenonStatus status = tenon_keep_host(&host, given, "mini", error);
  if (status == TENON_OK) *out = &backend;
  return status;
}
