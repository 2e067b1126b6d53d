// Driver: NVIDIA's driver API, opened at run time, so that this library loads where there is none.
//
//   const Driver& d = GetDriver();
//   if (!d.ready()) report(d.problem());   // "no NVIDIA driver: libcuda.so.1 ..."
//   d.Start();                             // cuInit, before all but the version
//   d.cuMemAlloc_v2(&p, bytes);
//
// Opened once, on first use; never closed. Opening does not initialise CUDA: a process that only
// looked which devices there are (discovery.h) may fork and use them in the child. Safe from any
// thread.
#ifndef TENON_BACKENDS_CUDA_DRIVER_H_
#define TENON_BACKENDS_CUDA_DRIVER_H_

#include <cuda.h>

#include <string>

// The names as the driver exports them: cuda.h's own names are macros for some.
#define TENON_CUDA_DRIVER_FUNCTIONS(X) \
  X(cuInit)                            \
  X(cuDriverGetVersion)                \
  X(cuGetErrorName)                    \
  X(cuGetErrorString)                  \
  X(cuDeviceGetCount)                  \
  X(cuDeviceGet)                       \
  X(cuDeviceGetName)                   \
  X(cuDeviceGetUuid_v2)                \
  X(cuDeviceTotalMem_v2)               \
  X(cuDeviceGetAttribute)              \
  X(cuDevicePrimaryCtxRetain)          \
  X(cuDevicePrimaryCtxRelease_v2)      \
  X(cuCtxPushCurrent_v2)               \
  X(cuCtxPopCurrent_v2)                \
  X(cuCtxGetCurrent)                   \
  X(cuMemAlloc_v2)                     \
  X(cuMemFree_v2)                      \
  X(cuMemGetInfo_v2)                   \
  X(cuMemcpyHtoDAsync_v2)              \
  X(cuMemcpyDtoHAsync_v2)              \
  X(cuMemcpyDtoDAsync_v2)              \
  X(cuMemcpyPeerAsync)                 \
  X(cuMemsetD8Async)                   \
  X(cuMemHostAlloc)                    \
  X(cuMemFreeHost)                     \
  X(cuPointerGetAttribute)             \
  X(cuStreamCreateWithPriority)        \
  X(cuStreamDestroy_v2)                \
  X(cuStreamSynchronize)               \
  X(cuStreamQuery)                     \
  X(cuStreamWaitEvent)                 \
  X(cuEventCreate)                     \
  X(cuEventDestroy_v2)                 \
  X(cuEventRecord)                     \
  X(cuEventSynchronize)                \
  X(cuEventQuery)                      \
  X(cuModuleLoadData)                  \
  X(cuModuleUnload)                    \
  X(cuModuleGetFunction)               \
  X(cuLaunchKernel)

namespace tenon_cuda {

// 12.0: the first driver that runs what a CUDA 12 compiler makes.
inline constexpr int kOldestDriver = 12000;

class Driver {
 public:
#define TENON_CUDA_MEMBER(name) decltype(&::name) name = nullptr;
  TENON_CUDA_DRIVER_FUNCTIONS(TENON_CUDA_MEMBER)
#undef TENON_CUDA_MEMBER

  bool ready() const { return problem_.empty(); }
  const std::string& problem() const { return problem_; }
  int version() const { return version_; }  // 13000: CUDA 13.0

  // Initialises CUDA in this process, once. Throws FAILED_PRECONDITION in the forked child of a
  // process that had done so: CUDA cannot be used there any more.
  void Start() const;

  // "CUDA_ERROR_OUT_OF_MEMORY: out of memory"
  std::string Describe(CUresult result) const;

 private:
  friend const Driver& GetDriver();
  void Open(const char* path);

  std::string problem_;
  int version_ = 0;
};

// The file is TENON_CUDA_DRIVER, else libcuda.so.1 where the dynamic linker finds it.
const Driver& GetDriver();

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_DRIVER_H_
