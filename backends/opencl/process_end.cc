#include "backends/opencl/process_end.h"

#include <stdlib.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>

#include "tenon/abi/tenon_plugin.hpp"

namespace tenon_opencl {
namespace {

struct InFlight {
  std::atomic<bool> ending{false};  // set under `mutex`
  std::mutex mutex;
  std::condition_variable compilation_ended;
  uint64_t begun = 0, ended = 0;  // compilations; under `mutex`

  std::mutex queues_mutex;
  std::map<cl_command_queue, const Runtime*> queues;  // under `queues_mutex`

  // For every compilation that has begun.
  void WaitForCompilations(bool process_ends) noexcept {
    std::unique_lock lock(mutex);
    if (process_ends) ending.store(true, std::memory_order_release);
    compilation_ended.wait(lock, [this, all = begun] { return ended >= all; });
  }
  void WaitForCommands() noexcept {
    const std::lock_guard lock(queues_mutex);
    for (const auto& [queue, cl] : queues) cl->clFinish(queue);
  }
};

InFlight& TheInFlight() {
  // Leaked: other threads may still be in a call when the process exits.
  static auto* const in_flight = new InFlight;
  return *in_flight;
}

void Drain() {
  if (Runtime::Forked()) return;  // neither the threads nor the locks are this process's
  TheInFlight().WaitForCompilations(true);
  TheInFlight().WaitForCommands();
}

// Waits also where a thread ends and the process does not: nobody can tell here.
struct EndOfThread {
  ~EndOfThread() {
    if (!Runtime::Forked()) TheInFlight().WaitForCompilations(false);
  }
};

}  // namespace

void DrainAtExit() noexcept { atexit(Drain); }

void WaitAtTheEndOfThisThread() noexcept { thread_local const EndOfThread end_of_thread; }

Compiling::Compiling(const std::string& name) {
  InFlight& in_flight = TheInFlight();
  const std::lock_guard lock(in_flight.mutex);
  FailIfEnding(name);
  ++in_flight.begun;
}

Compiling::~Compiling() {
  DrainAtExit();
  InFlight& in_flight = TheInFlight();
  const std::lock_guard lock(in_flight.mutex);
  ++in_flight.ended;
  in_flight.compilation_ended.notify_all();
}

void FailIfEnding(const std::string& name) {
  if (!TheInFlight().ending.load(std::memory_order_acquire)) return;
  throw tenon::plugin::Failure(TENON_FAILED_PRECONDITION,
                               "opencl: the process is ending, " + name + " can run no more");
}

void AddQueue(const Runtime& cl, cl_command_queue queue) {
  InFlight& in_flight = TheInFlight();
  const std::lock_guard lock(in_flight.queues_mutex);
  in_flight.queues[queue] = &cl;
}

void RemoveQueue(cl_command_queue queue) noexcept {
  InFlight& in_flight = TheInFlight();
  const std::lock_guard lock(in_flight.queues_mutex);
  in_flight.queues.erase(queue);
}

}  // namespace tenon_opencl
