// Programs as kernels that tenon_codegen writes and NVRTC compiles, one per variant of launches.
#include <algorithm>
#include <map>

#include "backends/cuda/kernel.h"
#include "tenon/abi/tenon_kit_program.h"
#include "tenon/backends/codegen/emit.h"
#include "tenon/backends/codegen/launch_plan.h"
#include "tenon/backends/codegen/list_plan.h"
#include "tenon/backends/codegen/prelude.h"
#include "tenon/backends/cuda/compile.h"
#include "tenon/backends/cuda/nvrtc.h"

namespace tenon_cuda {
namespace {

using tenon::plugin::Failure;
using tenon_codegen::KernelInfo;
using tenon_codegen::kGroupSize;
using tenon_codegen::LaunchPlan;
using tenon_codegen::ListPlan;
using tenon_codegen::Variant;

constexpr int64_t kItemThreads = 256;
constexpr tenon_codegen::Target kTarget{};  // f64, vectors, 4,096 bytes of arguments

class Generated : public Kernel {
 public:
  explicit Generated(const TenonKernelDesc&);
  void Launch(Device&, Stream&, const TenonLaunch&) const override;
  void LaunchList(Device&, Stream&, const TenonLaunch*, uint32_t) const override;
  void Unload(Device&) noexcept override;

 private:
  struct Compiled {
    CUmodule module = nullptr;
    CUfunction function = nullptr;
    const std::string* name = nullptr;  // interned
  };
  struct FreeCopy {
    void operator()(TenonKernelCopy* copy) const { free(copy); }
  };
  Compiled Get(Device&, const Variant&) const;
  Compiled Compile(Device&, const Variant&) const;
  static void Enqueue(Device&, Stream&, const Compiled&, int64_t blocks, int64_t threads,
                      void** arguments);

  const std::string name_;
  const KernelInfo info_;
  const std::unique_ptr<TenonKernelCopy, FreeCopy> copy_;
  mutable std::mutex mutex_;
  mutable std::map<Variant, Compiled> variants_;  // under mutex_
};

Generated::Generated(const TenonKernelDesc& desc)
    : name_(tenon_codegen::NameOf(desc)),
      info_(tenon_codegen::Describe(desc)),
      copy_(tenon_copy_kernel(&desc)) {
  if (copy_ == nullptr) throw std::bad_alloc();
  if (info_.operand_dtypes.size() > kMaxOperands || info_.n_scalars > kMaxScalars ||
      desc.program->n_instr > kMaxInstrs ||
      (info_.reduces && desc.epilogue->n_instr > kMaxInstrs)) {
    throw Failure(TENON_UNSUPPORTED, "cuda: a program of " +
                                         std::to_string(info_.operand_dtypes.size()) +
                                         " operands, " + std::to_string(info_.n_scalars) +
                                         " scalars is too large for one kernel");
  }
}

Generated::Compiled Generated::Compile(Device& device, const Variant& variant) const {
  const Driver& driver = device.driver();
  TenonKernelDesc desc = {};
  desc.size = sizeof desc;
  desc.program = &copy_->program;
  if (info_.reduces) {
    desc.epilogue = &copy_->epilogue;
    desc.reducers = copy_->reducers;
    desc.n_reducers = copy_->n_reducers;
  }
  Compiled compiled;
  compiled.name = &Interned(name_ + "_" + variant.suffix());
  const std::string& name = *compiled.name;
  const std::string text = tenon_codegen::EmitKernel(desc, name, variant, kTarget);
  const std::string source = tenon_codegen::kCudaPrelude + tenon_codegen::SelectFor(text) +
                             tenon_codegen::kCommonPrelude + text;
  const Nvrtc& nvrtc = GetNvrtc(driver.version());
  auto image = CompileCached(nvrtc, source, name, device.capability());
  CUresult result = driver.cuModuleLoadData(&compiled.module, image->data());
  if (result == CUDA_ERROR_INVALID_IMAGE || result == CUDA_ERROR_NO_BINARY_FOR_GPU) {
    // From the disk, whole, and yet not what this driver takes: by another build of the compiler.
    image = CompileCached(nvrtc, source, name, device.capability(), /*anew=*/true);
    result = driver.cuModuleLoadData(&compiled.module, image->data());
  }
  device.Check(result, ("loading of " + name).c_str());
  result = driver.cuModuleGetFunction(&compiled.function, compiled.module, name.c_str());
  if (result != CUDA_SUCCESS) driver.cuModuleUnload(compiled.module);
  device.Check(result, ("loading of " + name).c_str());
  return compiled;
}

Generated::Compiled Generated::Get(Device& device, const Variant& variant) const {
  // Held while compiling: another launch of the same program waits for the same kernel.
  const std::lock_guard lock(mutex_);
  const auto found = variants_.find(variant);
  if (found != variants_.end()) return found->second;
  return variants_.emplace(variant, Compile(device, variant)).first->second;
}

void Generated::Unload(Device& device) noexcept {
  for (const auto& [variant, compiled] : variants_) device.driver().cuModuleUnload(compiled.module);
}

// Kernels stride over what the grid does not cover; the count of blocks never changes a result.
void Generated::Enqueue(Device& device, Stream& stream, const Compiled& kernel, int64_t blocks,
                        int64_t threads, void** arguments) {
  const int64_t most = int64_t{32} * std::max(device.processors(), 1);
  device.Launch(stream, kernel.function, *kernel.name,
                static_cast<unsigned>(std::clamp<int64_t>(blocks, 1, most)),
                static_cast<unsigned>(threads), arguments);
}

void Generated::Launch(Device& device, Stream& stream, const TenonLaunch& launch) const {
  LaunchPlan plan = PlanLaunch(info_, kTarget, launch);
  const Compiled first = Get(device, plan.variant);
  const bool merges = plan.parts > 1;
  const Compiled second = merges ? Get(device, plan.merge()) : Compiled();
  CUdeviceptr addresses[kMaxOperands + 1];
  void* arguments[kMaxOperands + 2];
  uint32_t n = 0;
  const auto add = [&](CUdeviceptr address) {
    addresses[n] = address;
    arguments[n] = &addresses[n];
    ++n;
  };
  for (uint32_t k = 0; k < launch.n_operands; ++k)
    add(static_cast<CUdeviceptr>(launch.operands[k].buffer));
  if (merges) add(device.Scratch(stream, plan.scratch_bytes(info_)));
  arguments[n] = plan.words.data();
  const auto enqueue = [&](const Compiled& kernel, int64_t blocks, int64_t threads) {
    Enqueue(device, stream, kernel, blocks, threads, arguments);
  };
  if (plan.in_groups()) {
    enqueue(first, plan.groups(), kGroupSize);
  } else {
    enqueue(first, (plan.items() + kItemThreads - 1) / kItemThreads, kItemThreads);
  }
  if (merges) enqueue(second, plan.outer, kGroupSize);
}

void Generated::LaunchList(Device& device, Stream& stream, const TenonLaunch* launches,
                           uint32_t n) const {
  std::vector<ListPlan> plans = PlanList(info_, launches, n);
  if (plans.empty())
    throw Failure(TENON_UNSUPPORTED, "cuda: " + name_ + ": not a list of contiguous maps");
  // All are compiled before the first is enqueued.
  std::vector<Compiled> kernels;
  kernels.reserve(plans.size());
  for (const ListPlan& plan : plans) kernels.push_back(Get(device, plan.variant));
  for (size_t i = 0; i < plans.size(); ++i) {
    void* arguments[] = {plans[i].words.data()};
    try {
      Enqueue(device, stream, kernels[i], plans[i].blocks, kItemThreads, arguments);
    } catch (const Failure& failure) {
      // Statuses by which core would launch all of them again promise that none was.
      const bool promises =
          failure.code() == TENON_UNSUPPORTED || failure.code() == TENON_OUT_OF_MEMORY;
      if (i == 0 || !promises) throw;
      throw Failure(TENON_INTERNAL,
                    std::string(failure.what()) + "; a part of the list was launched");
    }
  }
}

}  // namespace

std::unique_ptr<Kernel> CreateGenerated(Device& device, const TenonKernelDesc& desc) {
  // Variants are compiled when first launched; without a compiler nothing is promised.
  const Nvrtc& nvrtc = GetNvrtc(device.driver().version());
  if (!nvrtc.ready()) throw Failure(TENON_UNSUPPORTED, "cuda: " + nvrtc.problem());
  return std::make_unique<Generated>(desc);
}

}  // namespace tenon_cuda
