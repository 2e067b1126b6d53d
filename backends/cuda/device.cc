#include "backends/cuda/device.h"

#include <algorithm>
#include <functional>
#include <set>

#include "backends/cuda/built_in.h"
#include "backends/cuda/products.h"
#include "backends/cuda/staging.h"

namespace tenon_cuda {
namespace {

using tenon::plugin::Failure;

// After these the context answers nothing but the same error, until the process ends.
bool IsFatal(CUresult result) {
  switch (result) {
    case CUDA_ERROR_ECC_UNCORRECTABLE:
    case CUDA_ERROR_NVLINK_UNCORRECTABLE:
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_CONTEXT_IS_DESTROYED:
    case CUDA_ERROR_ASSERT:
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case CUDA_ERROR_INVALID_PC:
    case CUDA_ERROR_LAUNCH_FAILED:
    case CUDA_ERROR_DEVICE_UNAVAILABLE:
    case CUDA_ERROR_UNKNOWN:
      return true;
    default:
      return false;
  }
}

TenonStatus StatusOf(CUresult result) {
  switch (result) {
    case CUDA_ERROR_OUT_OF_MEMORY:
      return TENON_OUT_OF_MEMORY;
    case CUDA_ERROR_NOT_READY:
      return TENON_NOT_READY;
    case CUDA_ERROR_NOT_INITIALIZED:  // a forked child of a process that had used the driver
    case CUDA_ERROR_DEINITIALIZED:
      return TENON_FAILED_PRECONDITION;
    default:
      return TENON_INTERNAL;
  }
}

}  // namespace

void Device::Check(CUresult result, const char* what, const Stream* stream) {
  if (result == CUDA_SUCCESS) return;
  std::string message = std::string("cuda: ") + what + ": " + driver_.Describe(result);
  if (!IsFatal(result)) throw Failure(StatusOf(result), message);
  if (stream != nullptr && stream->last_kernel != nullptr) {
    message += " (the stream's latest kernel: " + *stream->last_kernel + ")";
  }
  {
    const std::lock_guard lock(mutex_);
    if (!lost()) lost_reason_ = message;  // the first report is nearest to the cause
    lost_.store(true, std::memory_order_release);
  }
  throw Failure(TENON_DEVICE_LOST, message);
}

void Device::FailIfLost() {
  if (!lost()) return;
  const std::lock_guard lock(mutex_);
  throw Failure(TENON_DEVICE_LOST, "the device was lost before: " + lost_reason_);
}

Device::Device(const Driver& driver, int index) : driver_(driver), index_(index) {
  int major = 0, minor = 0;
  Check(driver.cuDeviceGet(&handle_, index), "cuDeviceGet");
  Check(driver.cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, handle_),
        "cuDeviceGetAttribute");
  Check(driver.cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, handle_),
        "cuDeviceGetAttribute");
  Check(
      driver.cuDeviceGetAttribute(&processors_, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, handle_),
      "cuDeviceGetAttribute");
  capability_ = 10 * major + minor;
  Check(driver.cuDevicePrimaryCtxRetain(&context_, handle_), "cuDevicePrimaryCtxRetain");
  try {
    const Current current(*this);
    // Not the legacy stream: that one would wait for every other stream.
    Check(driver.cuStreamCreateWithPriority(&default_stream_.handle, CU_STREAM_NON_BLOCKING, 0),
          "cuStreamCreateWithPriority");
  } catch (...) {
    driver.cuDevicePrimaryCtxRelease_v2(handle_);
    throw;
  }
}

Device::~Device() {
  {
    const Current current(*this, std::nothrow);
    staging_.reset();
    products_.reset();
    built_in_.reset();
    if (current.entered()) Release(default_stream_);
  }
  driver_.cuDevicePrimaryCtxRelease_v2(handle_);
}

void Device::Launch(Stream& stream, CUfunction function, const std::string& name, unsigned blocks,
                    unsigned threads, void** arguments) {
  const CUresult result = driver_.cuLaunchKernel(function, blocks, 1, 1, threads, 1, 1, 0,
                                                 stream.handle, arguments, nullptr);
  if (result != CUDA_SUCCESS) [[unlikely]]
    Check(result, ("launch of " + name).c_str(), &stream);
  stream.last_kernel = &name;
}

CUdeviceptr Device::Scratch(Stream& stream, uint64_t bytes) {
  if (bytes <= stream.scratch_bytes) return stream.scratch;
  const uint64_t rounded = std::max<uint64_t>(bytes, 1 << 20);
  CUdeviceptr memory = 0;
  Check(driver_.cuMemAlloc_v2(&memory, rounded), "scratch memory");
  // Waits for the work that uses the old one.
  if (stream.scratch != 0) driver_.cuMemFree_v2(stream.scratch);
  stream.scratch = memory;
  stream.scratch_bytes = rounded;
  return memory;
}

void Device::Release(Stream& stream) noexcept {
  if (stream.scratch != 0) driver_.cuMemFree_v2(stream.scratch);
  if (!stream.foreign) driver_.cuStreamDestroy_v2(stream.handle);
}

namespace {

template <class Part>
Part& Made(std::mutex& mutex, std::unique_ptr<Part>& part, Device& device) {
  const std::lock_guard lock(mutex);
  if (part == nullptr) part = std::make_unique<Part>(device);
  return *part;
}

}  // namespace

BuiltIn& Device::built_in() { return Made(parts_mutex_, built_in_, *this); }
Products& Device::products() { return Made(parts_mutex_, products_, *this); }
Staging& Device::staging() { return Made(parts_mutex_, staging_, *this); }

Current::Current(Device& device) : device_(device) {
  device.FailIfLost();
  CUcontext now = nullptr;
  const Driver& driver = device.driver();
  if (driver.cuCtxGetCurrent(&now) != CUDA_SUCCESS || now != device.context()) {
    device.Check(driver.cuCtxPushCurrent_v2(device.context()), "cuCtxPushCurrent");
    pushed_ = true;
  }
  entered_ = true;
}

Current::Current(Device& device, std::nothrow_t) noexcept
    : device_(device),
      entered_(device.driver().cuCtxPushCurrent_v2(device.context()) == CUDA_SUCCESS),
      pushed_(entered_) {}

Current::~Current() {
  CUcontext ours = nullptr;
  if (pushed_) device_.driver().cuCtxPopCurrent_v2(&ours);
}

const std::string& Interned(std::string_view text) {
  // Leaked: other threads may still be in a call when the process exits.
  static std::mutex* const mutex = new std::mutex;
  static auto* const all = new std::set<std::string, std::less<>>;
  const std::lock_guard lock(*mutex);
  const auto found = all->find(text);
  return found != all->end() ? *found : *all->emplace(text).first;
}

}  // namespace tenon_cuda
