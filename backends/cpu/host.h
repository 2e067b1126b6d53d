// The services of the host that loaded us: memory, threads, log.
#ifndef TENON_BACKENDS_CPU_HOST_H_
#define TENON_BACKENDS_CPU_HOST_H_

#include <cstdint>
#include <type_traits>

#include "tenon/abi/tenon_backend.h"

namespace tenon_cpu {

// Set once by the entry function, before anything else can be called.
extern const TenonHost* host;

// Calls fn(begin, end) over pieces of [0, n) that begin at multiples of `grain`; inline if there is
// one piece only. What is computed must not depend on how the pieces are put together.
template <class Fn>
void ParallelFor(int64_t n, int64_t grain, Fn&& fn) {
  if (n <= grain) {
    fn(int64_t{0}, n);
    return;
  }
  using Body = std::remove_reference_t<Fn>;
  host->parallel_for(
      host->ctx, n, grain,
      [](void* arg, int64_t begin, int64_t end) { (*static_cast<Body*>(arg))(begin, end); },
      const_cast<void*>(static_cast<const void*>(&fn)));
}

// Memory of the host for the length of a scope. `data` is nullptr if there is none left.
class HostMemory {
 public:
  explicit HostMemory(uint64_t bytes) : data(host->host_alloc(host->ctx, bytes, 64)) {}
  ~HostMemory() {
    if (data != nullptr) host->host_free(host->ctx, data);
  }
  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;

  void* const data;
};

}  // namespace tenon_cpu
#endif  // TENON_BACKENDS_CPU_HOST_H_
