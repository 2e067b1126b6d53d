// CompileCached: NVRTC, through a cache in memory and one on disk
// (tenon/backends/codegen/disk_cache.h; TENON_KERNEL_CACHE). Keyed by the source, the target and
// the compiler's version and options.
#ifndef TENON_BACKENDS_CUDA_COMPILE_H_
#define TENON_BACKENDS_CUDA_COMPILE_H_

#include <memory>
#include <string>

namespace tenon_cuda {

class Nvrtc;

// The image for cuModuleLoadData. Throws plugin::Failure UNSUPPORTED with the compiler's log.
// TENON_DUMP_KERNELS=DIR writes the source to DIR/<name>.cu. `anew`: the cached image proved bad.
std::shared_ptr<const std::string> CompileCached(const Nvrtc&, const std::string& source,
                                                 const std::string& name, int capability,
                                                 bool anew = false);

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_COMPILE_H_
