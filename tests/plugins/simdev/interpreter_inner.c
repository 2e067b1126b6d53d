/* A host addressable backend made of the kit's interpreter: what simdev runs on without the CPU
 * backend, so that a failure of a test can be blamed on one of the two. It answers compute calls
 * only: simdev has its own memory. */
#include "tenon/abi/tenon_kit_interpreter.h"

static TenonStatus device_props(uint32_t index, TenonDeviceProps* props, TenonError* error) {
  const uint64_t dtypes = ((1ull << TENON_C64) - 1) & ~1ull;
  TenonDeviceProps mine = {.size = sizeof mine,
                           .flags = TENON_DEVICE_HOST_ADDRESSABLE,
                           .min_alignment = 64,
                           .max_operands = TENON_KIT_MAX_OPERANDS,
                           .max_instrs = TENON_KIT_MAX_INSTRS,
                           .max_scalars = TENON_KIT_MAX_SCALARS,
                           .storage_dtypes = (1ull << TENON_DTYPE_COUNT) - 2,
                           .compute_dtypes = dtypes,
                           .opcodes = {~1ull, 1ull},
                           .name = "interpreter"};
  (void)index, (void)error;
  tenon_write_struct(props, &mine, sizeof mine);
  return TENON_OK;
}
static TenonStatus device_open(uint32_t index, TenonDevice* device, TenonError* error) {
  (void)index, (void)error;
  *device = 1;
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
  return tenon_interpreter_launch(kernel, launch, NULL, error);
}

static const TenonCoreOps core = {.size = sizeof core,
                                  .device_props = device_props,
                                  .device_open = device_open,
                                  .kernel_create = kernel_create,
                                  .kernel_destroy = kernel_destroy,
                                  .kernel_launch = kernel_launch};
static const TenonBackend backend = {.size = sizeof backend,
                                     .abi_major = TENON_ABI_MAJOR,
                                     .abi_minor = TENON_ABI_MINOR,
                                     .name = "interpreter",
                                     .vendor = "Tenon",
                                     .version = "0.1",
                                     .core = &core};

TenonStatus tenon_backend_entry_v0_interpreter(const TenonHost* host, const TenonBackend** out,
                                               TenonError* error) {
  (void)host, (void)error;
  *out = &backend;
  return TENON_OK;
}
