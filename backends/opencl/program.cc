#include "backends/opencl/program.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "backends/opencl/host.h"
#include "backends/opencl/process_end.h"
#include "tenon/backends/codegen/disk_cache.h"
#include "tenon/backends/codegen/prelude.h"

namespace tenon_opencl {
namespace {

using tenon::plugin::Failure;
using tenon_codegen::DiskCache;

const DiskCache& Cache() {
  static const DiskCache* const cache =
      new DiskCache(DiskCache::DirectoryFor("opencl", Option("KERNEL_CACHE")));
  return *cache;
}

// No fast math of any kind: a product and a sum are rounded twice, infinities and NaNs are numbers.
std::string OptionsOf(const Device& device) {
  std::string options = "-cl-std=CL1.2 -w";
  if (device.description().exact_division) options += " -cl-fp32-correctly-rounded-divide-sqrt";
  return options;
}

// PoCL has clang parse opencl-c.h, the 18,000 lines that declare all of OpenCL's functions, for
// every program: that is half of what a kernel costs. With the header's include guard defined clang
// skips it, and the prelude declares the few functions that it calls.
constexpr const char* kWithoutHeader = " -D_OPENCL_H_ -DDECLARE_BUILTINS";

// TENON_DUMP_KERNELS=DIR. Failing to write is a warning: nobody's result depends on it.
void Dump(const std::string& name, const std::string& text) {
  const char* const directory = Option("DUMP_KERNELS");
  if (directory == nullptr) return;
  const std::string path = std::string(directory) + "/" + name + ".cl";
  FILE* const file = fopen(path.c_str(), "we");
  const bool written = file != nullptr && fwrite(text.data(), 1, text.size(), file) == text.size();
  if ((file != nullptr && fclose(file) != 0) || !written)
    host->log(host->ctx, 2, ("opencl: cannot write " + path + ": " + strerror(errno)).c_str());
}

std::string Source(const Device& device, const std::string& body) {
  return std::string(device.target().f64 ? "" : "#define NO_F64\n") +
         tenon_codegen::kOpenclPrelude + tenon_codegen::SelectFor(body) +
         tenon_codegen::kCommonPrelude + body;
}

}  // namespace

CompiledKernel::CompiledKernel(Device& device, const std::string& name, const std::string& body)
    : cl_(device.cl()), name_(name) {
  const Compiling compiling(name);
  const std::string text = Source(device, body);
  Dump(name, text);
  program_ = device.description().pocl ? BuildOnPocl(device, text) : LoadOrBuild(device, text);
  cl_int result = CL_SUCCESS;
  kernel_ = cl_.clCreateKernel(program_, name.c_str(), &result);
  if (kernel_ == nullptr) {
    cl_.clReleaseProgram(program_);
    device.Check(result, "clCreateKernel of " + name);
    throw Failure(TENON_INTERNAL, "opencl: no kernel " + name);
  }
}

CompiledKernel::~CompiledKernel() {
  cl_.clReleaseKernel(kernel_);
  cl_.clReleaseProgram(program_);
}

cl_program CompiledKernel::LoadOrBuild(Device& device, const std::string& text) {
  const std::string key = device.description().identity + "\n" + OptionsOf(device) + "\n" + text;
  cl_program program = Load(device, key);
  if (program == nullptr) {
    program = Build(device, text, OptionsOf(device));
    Store(program, key);
  }
  return program;
}

// Not through our cache: PoCL keeps programs and kernels on disk itself, and asked for a program's
// binary it compiles the kernel a second time, for work groups of any size.
cl_program CompiledKernel::BuildOnPocl(Device& device, const std::string& text) {
  try {
    return Build(device, text, OptionsOf(device) + kWithoutHeader);
  } catch (const Failure& failure) {
    if (failure.code() != TENON_UNSUPPORTED) throw;
    return Build(device, text, OptionsOf(device));  // a PoCL that cannot go without its header
  }
}

// NULL if the cache has none that this driver takes.
cl_program CompiledKernel::Load(Device& device, const std::string& key) {
  std::string binary;
  if (!Cache().Load(key, &binary)) return nullptr;
  const auto* bytes = reinterpret_cast<const unsigned char*>(binary.data());
  const size_t size = binary.size();
  const cl_device_id id = device.description().id;
  cl_int status = CL_SUCCESS, result = CL_SUCCESS;
  const cl_program program =
      cl_.clCreateProgramWithBinary(device.context(), 1, &id, &size, &bytes, &status, &result);
  if (program == nullptr) return nullptr;
  if (status == CL_SUCCESS && result == CL_SUCCESS &&
      cl_.clBuildProgram(program, 1, &id, OptionsOf(device).c_str(), nullptr, nullptr) ==
          CL_SUCCESS) {
    return program;
  }
  cl_.clReleaseProgram(program);
  return nullptr;
}

cl_program CompiledKernel::Build(Device& device, const std::string& text,
                                 const std::string& options) {
  const char* source = text.data();
  const size_t length = text.size();
  const cl_device_id id = device.description().id;
  cl_int result = CL_SUCCESS;
  const cl_program program =
      cl_.clCreateProgramWithSource(device.context(), 1, &source, &length, &result);
  device.Check(program != nullptr ? CL_SUCCESS : result, "clCreateProgramWithSource of " + name_);
  result = cl_.clBuildProgram(program, 1, &id, options.c_str(), nullptr, nullptr);
  if (result != CL_SUCCESS) {
    std::vector<char> log(4096);
    size_t bytes = 0;
    cl_.clGetProgramBuildInfo(program, id, CL_PROGRAM_BUILD_LOG, 0, nullptr, &bytes);
    log.assign(bytes + 1, '\0');
    cl_.clGetProgramBuildInfo(program, id, CL_PROGRAM_BUILD_LOG, bytes, log.data(), nullptr);
    cl_.clReleaseProgram(program);
    if (result == CL_OUT_OF_HOST_MEMORY || result == CL_DEVICE_NOT_AVAILABLE)
      device.Check(result, "building " + name_);
    throw Failure(TENON_UNSUPPORTED, "opencl: the driver cannot build " + name_ + ": " +
                                         Runtime::Describe(result) + "\n" + log.data());
  }
  return program;
}

void CompiledKernel::Store(cl_program program, const std::string& key) const {
  size_t size = 0;
  if (cl_.clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, nullptr) ==
          CL_SUCCESS &&
      size != 0) {
    std::string binary(size, '\0');
    auto* bytes = reinterpret_cast<unsigned char*>(binary.data());
    if (cl_.clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof bytes, &bytes, nullptr) ==
        CL_SUCCESS) {
      Cache().Store(key, binary);
    }
  }
}

void CompiledKernel::Set(Device& device, cl_uint number, size_t bytes, const void* value) {
  device.Check(cl_.clSetKernelArg(kernel_, number, bytes, value),
               "argument " + std::to_string(number) + " of " + name_);
}

void CompiledKernel::Enqueue(Device& device, Stream& stream, size_t items, size_t group) {
  FailIfEnding(name_);
  std::optional<Compiling> compiling;
  if (!has_run_) compiling.emplace(name_);
  const size_t global = (items + group - 1) / group * group;
  cl_event event = nullptr;
  device.Check(cl_.clEnqueueNDRangeKernel(stream.queue(), kernel_, 1, nullptr, &global, &group, 0,
                                          nullptr, &event),
               name_);
  if (!has_run_) cl_.clWaitForEvents(1, &event);  // whether it failed, the stream will say
  has_run_ = true;
  stream.Keep(event, name_);
}

}  // namespace tenon_opencl
