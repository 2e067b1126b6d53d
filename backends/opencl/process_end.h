// The end of the process. Drivers compile late and on threads of their own (PoCL when a kernel
// first runs), with compilers whose statics exit() destroys: a process that ended meanwhile would
// crash. So the first run of a kernel is waited for, and exit() waits for what is in flight.
#ifndef TENON_BACKENDS_OPENCL_PROCESS_END_H_
#define TENON_BACKENDS_OPENCL_PROCESS_END_H_

#include <string>

#include "backends/opencl/runtime.h"

namespace tenon_opencl {

// Lets exit() wait from now on, before it destroys what the driver has made until now. Again after
// every compilation, since that may have made more.
void DrainAtExit() noexcept;

// exit() begins with the thread-locals of its thread: lets it wait there for compilations on other
// threads, which may still be making statics that are destroyed before DrainAtExit's handler runs.
void WaitAtTheEndOfThisThread() noexcept;

// Held while the driver may compile. Throws Failure once the process is ending: there is no
// compiler left.
class Compiling {
 public:
  explicit Compiling(const std::string& name);
  Compiling(const Compiling&) = delete;
  Compiling& operator=(const Compiling&) = delete;
  ~Compiling();
};

// Throws Failure once the process is ending: the kernel called `name` can run no more.
void FailIfEnding(const std::string& name);

// The queues that exit() waits for.
void AddQueue(const Runtime& cl, cl_command_queue queue);
void RemoveQueue(cl_command_queue queue) noexcept;

}  // namespace tenon_opencl

#endif  // TENON_BACKENDS_OPENCL_PROCESS_END_H_
