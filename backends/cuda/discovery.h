// Which GPUs there are, found out without initialising CUDA in this process.
//
// cuInit makes a process unfit for forking: its children cannot use CUDA. So the first question is
// put to the driver in a short-lived child process, which initialises, answers through a pipe and
// ends. (Where another library of the process has initialised CUDA before, the driver is asked
// directly.) The price is one fork and one cuInit more, once per process; neither the count nor the
// properties are asked for again.
#ifndef TENON_BACKENDS_CUDA_DISCOVERY_H_
#define TENON_BACKENDS_CUDA_DISCOVERY_H_

#include <cstdint>
#include <string>
#include <vector>

namespace tenon_cuda {

struct FoundDevice {
  char name[128];
  unsigned char uuid[16];
  uint64_t bytes;
};

struct Discovery {
  std::vector<FoundDevice> devices;
  std::string problem;  // why there is none; else empty
};

// Of the process, asked on first use. Safe from any thread.
const Discovery& Discover();

}  // namespace tenon_cuda

#endif  // TENON_BACKENDS_CUDA_DISCOVERY_H_
