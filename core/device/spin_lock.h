// SpinLock: for critical sections of a few nanoseconds (a list push, a counter), where an
// uncontended std::mutex would be most of the cost. Never held while anything is called that could
// block.
#ifndef TENON_DEVICE_SPIN_LOCK_H_
#define TENON_DEVICE_SPIN_LOCK_H_

#include <sched.h>

#include <atomic>

namespace tenon {

inline void cpu_pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb");
#endif
}

class SpinLock {
 public:
  constexpr SpinLock() = default;
  SpinLock(const SpinLock&) = delete;
  SpinLock& operator=(const SpinLock&) = delete;

  void lock() {
    for (int tries = 0; locked_.exchange(true, std::memory_order_acquire); ++tries) {
      // The holder may have lost its processor: give ours away rather than burn it.
      if (tries < 64) {
        cpu_pause();
      } else {
        sched_yield();
      }
    }
  }
  void unlock() { locked_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> locked_{false};
};

}  // namespace tenon

#endif  // TENON_DEVICE_SPIN_LOCK_H_
