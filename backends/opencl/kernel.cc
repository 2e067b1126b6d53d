#include "backends/opencl/kernel.h"

#include <algorithm>
#include <memory>

#include "backends/opencl/device.h"
#include "backends/opencl/memory.h"
#include "backends/opencl/program.h"
#include "tenon/abi/tenon_kit_interpreter.h"
#include "tenon/backends/codegen/emit.h"
#include "tenon/backends/codegen/launch_plan.h"

namespace tenon_opencl {
namespace {

using tenon::plugin::Failure;
using tenon_codegen::KernelInfo;
using tenon_codegen::kGroupSize;
using tenon_codegen::LaunchPlan;
using tenon_codegen::Variant;

// A map's work items per group, and what a grid has at most; kernels stride over the rest.
constexpr int64_t kMapGroup = 64, kMaxGroups = 4096;
// Elements for which another of a CPU's processors is worth waking.
constexpr int64_t kWorthAWorker = 8192;

struct FreeCopy {
  void operator()(TenonKernelCopy* copy) const { free(copy); }
};

class Kernel {
 public:
  Kernel(const Device& device, const TenonKernelDesc& desc);

  const KernelInfo& info() const { return info_; }
  const TenonKernelCopy* copy() const { return copy_.get(); }
  // Compiled on first use. Throws UNSUPPORTED if this variant cannot be built.
  CompiledKernel& Get(Device& device, const Variant& variant);

 private:
  const std::string name_;
  const KernelInfo info_;
  std::unique_ptr<TenonKernelCopy, FreeCopy> copy_;
  KernelSet<Variant> variants_;
};

Kernel::Kernel(const Device& device, const TenonKernelDesc& desc)
    : name_(tenon_codegen::NameOf(desc)), info_(tenon_codegen::Describe(desc)) {
  const auto& limits = device.description();
  if (info_.operand_dtypes.size() > kMaxOperands || info_.n_scalars > kMaxScalars ||
      desc.program->n_instr > kMaxInstrs ||
      (info_.reduces && desc.epilogue->n_instr > kMaxInstrs)) {
    throw Failure(TENON_UNSUPPORTED, "opencl: a program of " +
                                         std::to_string(info_.operand_dtypes.size()) +
                                         " operands, " + std::to_string(info_.n_scalars) +
                                         " scalars is too large for one kernel");
  }
  if (info_.uses_f64 && !limits.f64)
    throw Failure(TENON_UNSUPPORTED, "opencl: " + limits.name + " does not compute in f64");
  if (info_.reduces && (limits.max_group < size_t{kGroupSize} ||
                        limits.local_bytes < kGroupSize * info_.state_bytes())) {
    throw Failure(TENON_UNSUPPORTED,
                  "opencl: a reduction of " + std::to_string(desc.n_reducers) +
                      " reducers needs groups of " + std::to_string(kGroupSize) +
                      " work items and " + std::to_string(kGroupSize * info_.state_bytes()) +
                      " bytes of local memory; the device has " + std::to_string(limits.max_group) +
                      " and " + std::to_string(limits.local_bytes));
  }
  copy_.reset(tenon_copy_kernel(&desc));
  if (copy_ == nullptr) throw std::bad_alloc();
}

CompiledKernel& Kernel::Get(Device& device, const Variant& variant) {
  return variants_.Get(
      device, variant, [&] { return name_ + "_" + variant.suffix(); },
      [&](const std::string& name) {
        TenonKernelDesc desc = {};
        desc.size = sizeof desc;
        desc.program = &copy_->program;
        if (info_.reduces) {
          desc.epilogue = &copy_->epilogue;
          desc.reducers = copy_->reducers;
          desc.n_reducers = copy_->n_reducers;
        }
        return tenon_codegen::EmitKernel(desc, name, variant, device.target());
      });
}

// The launch as an argument: by value, or in a buffer that lives as long as the command needs it.
class LaunchArgument {
 public:
  LaunchArgument(Device& device, LaunchPlan& plan) : cl_(device.cl()), plan_(plan) {
    if (!plan.variant.in_memory) return;
    cl_int result = CL_SUCCESS;
    buffer_ = cl_.clCreateBuffer(device.context(), CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR, bytes(),
                                 plan.words.data(), &result);
    device.Check(buffer_ != nullptr ? CL_SUCCESS : result, "a launch's arguments");
  }
  LaunchArgument(const LaunchArgument&) = delete;
  LaunchArgument& operator=(const LaunchArgument&) = delete;
  ~LaunchArgument() {
    if (buffer_ != nullptr) cl_.clReleaseMemObject(buffer_);  // when its command is done
  }

  void Set(Device& device, CompiledKernel& kernel, cl_uint number) const {
    if (buffer_ != nullptr) return kernel.Set(device, number, buffer_);
    kernel.Set(device, number, bytes(), plan_.words.data());
  }

 private:
  size_t bytes() const { return 8 * plan_.words.size(); }
  const Runtime& cl_;
  const LaunchPlan& plan_;
  cl_mem buffer_ = nullptr;
};

struct Grid {
  int64_t groups, group;
};

// Of `items` work items; `elements`: what all of them together read or write.
Grid GridOf(const Device& device, int64_t items, int64_t elements) {
  if (device.target().runs) {
    const int64_t workers = std::min<int64_t>(elements / kWorthAWorker,
                                              4 * int64_t{device.description().compute_units});
    return {std::clamp<int64_t>(workers, 1, std::max<int64_t>(items, 1)), 1};
  }
  return {std::min<int64_t>((items + kMapGroup - 1) / kMapGroup, kMaxGroups), kMapGroup};
}

void Enqueue(Device& device, Stream& stream, CompiledKernel& kernel, const TenonLaunch& launch,
             const LaunchArgument& argument, cl_mem scratch, Grid grid) {
  const std::lock_guard lock(kernel.arguments);
  cl_uint number = 0;
  for (uint32_t k = 0; k < launch.n_operands; ++k)
    kernel.Set(device, number++, mem_of(launch.operands[k].buffer));
  if (scratch != nullptr) kernel.Set(device, number++, scratch);
  argument.Set(device, kernel, number);
  kernel.Enqueue(device, stream, static_cast<size_t>(grid.groups * grid.group),
                 static_cast<size_t>(grid.group));
}

void Launch(Device& device, Stream& stream, Kernel& kernel, const TenonLaunch& launch) {
  stream.Poll();
  device.FailIfFailed(stream);
  LaunchPlan plan = tenon_codegen::PlanLaunch(kernel.info(), device.target(), launch);
  CompiledKernel& compiled = kernel.Get(device, plan.variant);
  cl_mem scratch = nullptr;
  CompiledKernel* merge = nullptr;
  if (plan.parts > 1) {
    merge = &kernel.Get(device, plan.merge());
    scratch = stream.Scratch(device.context(), plan.scratch_bytes(kernel.info()));
  }
  const LaunchArgument argument(device, plan);
  const Grid grid = plan.in_groups() ? Grid{std::min(plan.groups(), kMaxGroups), kGroupSize}
                                     : GridOf(device, plan.items(), plan.outer * plan.inner);
  Enqueue(device, stream, compiled, launch, argument, scratch, grid);
  if (merge != nullptr) {
    Enqueue(device, stream, *merge, launch, argument, scratch,
            {std::min(plan.outer, kMaxGroups), kGroupSize});
  }
}

}  // namespace

TenonStatus KernelCreate(TenonDevice handle, const TenonKernelDesc* desc, TenonKernel* made,
                         TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) -> TenonStatus {
    const TenonStatus status = tenon_check_kernel(desc, error);
    if (status != TENON_OK) return status;
    *made = tenon::plugin::to_handle(std::make_unique<Kernel>(device, *desc).release());
    return TENON_OK;
  });
}

void KernelDestroy(TenonDevice, TenonKernel kernel) noexcept {
  delete tenon::plugin::from_handle<Kernel>(kernel);
}

TenonStatus KernelLaunch(TenonDevice handle, TenonStream stream, TenonKernel kernel_handle,
                         const TenonLaunch* given, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) -> TenonStatus {
    Kernel& kernel = *tenon::plugin::from_handle<Kernel>(kernel_handle);
    TenonLaunch launch;
    TenonStatus status = tenon_read_struct(&launch, sizeof launch, given, "TenonLaunch", error);
    if (status == TENON_OK) status = tenon_check_launch(kernel.copy(), &launch, error);
    if (status != TENON_OK) return status;
    Launch(device, device.stream(stream), kernel, launch);
    return TENON_OK;
  });
}

}  // namespace tenon_opencl
