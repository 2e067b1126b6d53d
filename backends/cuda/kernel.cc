#include "backends/cuda/kernel.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "backends/cuda/device.h"
#include "tenon/abi/tenon_kit_interpreter.h"
#include "tenon/backends/codegen/emit.h"
#include "tenon/backends/codegen/launch_words.h"
#include "tenon/backends/codegen/prelude.h"
#include "tenon/backends/cuda/host.h"
#include "tenon/backends/cuda/nvrtc.h"

namespace tenon_cuda {
namespace {

using tenon::plugin::Failure;
using tenon_codegen::KernelSource;
using tenon_codegen::LaunchWords;

constexpr unsigned kMapThreads = 256;

struct FreeCopy {
  void operator()(TenonKernelCopy* copy) const { free(copy); }
};

struct Kernel {
  std::string name;
  KernelSource source;
  std::unique_ptr<TenonKernelCopy, FreeCopy> desc;  // to check launches against
  CUmodule module = nullptr;
  CUfunction simple = nullptr, general = nullptr;  // _flat and _strided, or _thread and _group
};

uint64_t Fnv1a(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

// The same program has the same name in every run: for files, profilers and messages.
std::string NameOf(const TenonKernelDesc& desc) {
  const bool reduces = desc.n_reducers != 0;
  char name[32];
  snprintf(name, sizeof name, "%s_%016" PRIx64, reduces ? "reduce" : "map",
           Fnv1a(tenon_codegen::EmitKernel(desc, "k").text));
  return name;
}

// TENON_DUMP_KERNELS=DIR. Failing to write is a warning: nobody's result depends on it.
void Dump(const std::string& name, const std::string& text) {
  const char* const directory = Option("DUMP_KERNELS");
  if (directory == nullptr) return;
  const std::string path = std::string(directory) + "/" + name + ".cu";
  FILE* const file = fopen(path.c_str(), "we");
  const bool written = file != nullptr && fwrite(text.data(), 1, text.size(), file) == text.size();
  if ((file != nullptr && fclose(file) != 0) || !written) {
    host->log(host->ctx, 2, ("cuda: cannot write " + path + ": " + strerror(errno)).c_str());
  }
}

std::unique_ptr<Kernel> Create(Device& device, const TenonKernelDesc& desc) {
  const Driver& driver = device.driver();
  auto kernel = std::make_unique<Kernel>();
  kernel->name = NameOf(desc);
  kernel->source = tenon_codegen::EmitKernel(desc, kernel->name);
  const KernelSource& source = kernel->source;
  if (source.operand_dtypes.size() > kMaxOperands || source.n_scalars > kMaxScalars ||
      desc.program->n_instr > kMaxInstrs ||
      (source.reduces && desc.epilogue->n_instr > kMaxInstrs)) {
    throw Failure(TENON_UNSUPPORTED, "cuda: a program of " +
                                         std::to_string(source.operand_dtypes.size()) +
                                         " operands, " + std::to_string(source.n_scalars) +
                                         " scalars is too large for one kernel");
  }
  const Nvrtc& nvrtc = GetNvrtc(driver.version());
  if (!nvrtc.ready()) throw Failure(TENON_UNSUPPORTED, "cuda: " + nvrtc.problem());
  const std::string text =
      std::string(tenon_codegen::kCudaPrelude) + tenon_codegen::kCommonPrelude + source.text;
  Dump(kernel->name, text);
  const CompiledCode code = nvrtc.Compile(text, kernel->name + ".cu", device.capability());
  if (!code.problem.empty()) throw Failure(TENON_UNSUPPORTED, "cuda: " + code.problem);

  kernel->desc.reset(tenon_copy_kernel(&desc));
  if (kernel->desc == nullptr) throw std::bad_alloc();
  device.Check(driver.cuModuleLoadData(&kernel->module, code.image.data()), "cuModuleLoadData");
  try {
    const std::string simple = kernel->name + (source.reduces ? "_thread" : "_flat");
    const std::string general = kernel->name + (source.reduces ? "_group" : "_strided");
    device.Check(driver.cuModuleGetFunction(&kernel->simple, kernel->module, simple.c_str()),
                 "cuModuleGetFunction");
    device.Check(driver.cuModuleGetFunction(&kernel->general, kernel->module, general.c_str()),
                 "cuModuleGetFunction");
  } catch (...) {
    driver.cuModuleUnload(kernel->module);
    throw;
  }
  return kernel;
}

void Launch(Device& device, Stream& stream, const Kernel& kernel, const TenonLaunch& launch) {
  const KernelSource& source = kernel.source;
  LaunchWords packed = PackLaunch(source, launch);
  const bool grouped = source.reduces && packed.per_group();
  const bool simple = source.reduces ? !grouped : packed.outer_rank <= 1;
  const unsigned threads = grouped ? unsigned{tenon_codegen::kGroupSize} : kMapThreads;
  // Kernels stride over what the grid does not cover; the count of blocks never changes a result.
  const int64_t wanted = grouped ? packed.outer : (packed.outer + kMapThreads - 1) / kMapThreads;
  const auto blocks = static_cast<unsigned>(
      std::min<int64_t>(wanted, int64_t{32} * std::max(device.processors(), 1)));

  CUdeviceptr addresses[kMaxOperands];
  void* arguments[kMaxOperands + 1];
  for (uint32_t k = 0; k < launch.n_operands; ++k) {
    addresses[k] = static_cast<CUdeviceptr>(launch.operands[k].buffer);
    arguments[k] = &addresses[k];
  }
  arguments[launch.n_operands] = packed.words.data();  // copied by the driver before it returns
  device.Check(device.driver().cuLaunchKernel(simple ? kernel.simple : kernel.general, blocks, 1, 1,
                                              threads, 1, 1, 0, stream.handle, arguments, nullptr),
               kernel.name.c_str(), &stream);
  stream.last_kernel = kernel.name;
}

}  // namespace

TenonStatus KernelCreate(TenonDevice handle, const TenonKernelDesc* desc, TenonKernel* made,
                         TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) -> TenonStatus {
    const TenonStatus status = tenon_check_kernel(desc, error);
    if (status != TENON_OK) return status;
    *made = tenon::plugin::to_handle(Create(device, *desc).release());
    return TENON_OK;
  });
}

void KernelDestroy(TenonDevice handle, TenonKernel kernel_handle) noexcept {
  Device& device = device_of(handle);
  const std::unique_ptr<Kernel> kernel(tenon::plugin::from_handle<Kernel>(kernel_handle));
  const Current current(device, std::nothrow);
  if (current.entered()) device.driver().cuModuleUnload(kernel->module);
}

TenonStatus KernelLaunch(TenonDevice handle, TenonStream stream, TenonKernel kernel_handle,
                         const TenonLaunch* given, TenonError* error) noexcept {
  return on_device(handle, error, [&](Device& device) -> TenonStatus {
    const Kernel& kernel = *tenon::plugin::from_handle<Kernel>(kernel_handle);
    TenonLaunch launch;
    TenonStatus status = tenon_read_struct(&launch, sizeof launch, given, "TenonLaunch", error);
    if (status == TENON_OK) status = tenon_check_launch(kernel.desc.get(), &launch, error);
    if (status != TENON_OK) return status;
    Launch(device, device.stream(stream), kernel, launch);
    return TENON_OK;
  });
}

}  // namespace tenon_cuda
