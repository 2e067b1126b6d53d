#include "backends/cuda/kernel.h"

#include <vector>

#include "backends/cuda/single.h"
#include "tenon/abi/tenon_kit_interpreter.h"

namespace tenon_cuda {
namespace {

struct FreeCopy {
  void operator()(TenonKernelCopy* copy) const { free(copy); }
};

// What a TenonKernel is.
struct Made {
  std::unique_ptr<TenonKernelCopy, FreeCopy> desc;  // to check launches against
  std::unique_ptr<Kernel> kernel;
};

}  // namespace

TenonStatus KernelCreate(TenonDevice handle, const TenonKernelDesc* desc, TenonKernel* made,
                         TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) -> TenonStatus {
    const TenonStatus status = tenon_check_kernel(desc, error);
    if (status != TENON_OK) return status;
    auto result = std::make_unique<Made>();
    result->desc.reset(tenon_copy_kernel(desc));
    if (result->desc == nullptr) throw std::bad_alloc();
    result->kernel = CreateSingle(device, *desc);
    if (result->kernel == nullptr) result->kernel = CreateGenerated(device, *desc);
    *made = tenon::plugin::to_handle(result.release());
    return TENON_OK;
  });
}

void KernelDestroy(TenonDevice handle, TenonKernel kernel_handle) noexcept {
  Device& device = device_of(handle);
  const std::unique_ptr<Made> made(tenon::plugin::from_handle<Made>(kernel_handle));
  const Current current(device, std::nothrow);
  if (current.entered()) made->kernel->Unload(device);
}

TenonStatus KernelLaunch(TenonDevice handle, TenonStream stream, TenonKernel kernel_handle,
                         const TenonLaunch* given, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) -> TenonStatus {
    const Made& made = *tenon::plugin::from_handle<Made>(kernel_handle);
    TenonLaunch launch;
    TenonStatus status = tenon_read_struct(&launch, sizeof launch, given, "TenonLaunch", error);
    if (status == TENON_OK) status = tenon_check_launch(made.desc.get(), &launch, error);
    if (status != TENON_OK) return status;
    made.kernel->Launch(device, device.stream(stream), launch);
    return TENON_OK;
  });
}

TenonStatus KernelLaunchList(TenonDevice handle, TenonStream stream, TenonKernel kernel_handle,
                             const TenonLaunch* given, uint32_t n, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) -> TenonStatus {
    const Made& made = *tenon::plugin::from_handle<Made>(kernel_handle);
    std::vector<TenonLaunch> launches(n);
    for (uint32_t i = 0; i < n; ++i) {
      TenonStatus status =
          tenon_read_struct(&launches[i], sizeof launches[i], &given[i], "TenonLaunch", error);
      if (status == TENON_OK) status = tenon_check_launch(made.desc.get(), &launches[i], error);
      if (status != TENON_OK) return status;
    }
    made.kernel->LaunchList(device, device.stream(stream), launches.data(), n);
    return TENON_OK;
  });
}

}  // namespace tenon_cuda
