// Once: a slow step (dlopen, opening a device, compiling a kernel) that one thread runs while
// others wait, with no lock held meanwhile.
//
//   once.run([&] { ... });   // true: the step is done, by this call or an earlier one
//
// Unlike std::call_once it survives re-entry: a step that (through a plugin's constructor, say)
// asks for itself is told false at once instead of waiting for itself. A step that throws has not
// run; the next caller tries again.
#ifndef TENON_DEVICE_ONCE_H_
#define TENON_DEVICE_ONCE_H_

#include <atomic>
#include <cstdint>

namespace tenon {

class Once {
 public:
  bool done() const { return state_.load(std::memory_order_acquire) == kDone; }

  template <class Step>
  bool run(Step&& step) {
    for (;;) {
      uint32_t seen = kIdle;
      if (state_.compare_exchange_strong(seen, kRunning, std::memory_order_acquire)) break;
      if (seen == kDone) return true;
      if (runner_.load(std::memory_order_relaxed) == this_thread()) return false;
      state_.wait(kRunning, std::memory_order_acquire);
    }
    runner_.store(this_thread(), std::memory_order_relaxed);
    Finish finish{*this};
    step();
    finish.result = kDone;
    return true;
  }

 private:
  enum : uint32_t { kIdle, kRunning, kDone };
  struct Finish {
    Once& once;
    uint32_t result = kIdle;
    ~Finish() {
      once.runner_.store(nullptr, std::memory_order_relaxed);
      once.state_.store(result, std::memory_order_release);
      once.state_.notify_all();
    }
  };
  static const void* this_thread() {
    static thread_local char mark;
    return &mark;
  }

  std::atomic<uint32_t> state_{kIdle};
  std::atomic<const void*> runner_{nullptr};
};

}  // namespace tenon

#endif  // TENON_DEVICE_ONCE_H_
