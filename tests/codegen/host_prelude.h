// The language's own part of the prelude (tenon/backends/codegen/prelude.h) for the host: generated
// kernels as C++ functions, a thread per work item.
#ifndef TENON_TESTS_CODEGEN_HOST_PRELUDE_H_
#define TENON_TESTS_CODEGEN_HOST_PRELUDE_H_

#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <mutex>

#include "tenon/abi/tenon_half.h"
#include "tenon/abi/tenon_kit_special.h"

namespace host_kernels {

// std::barrier spins, which costs seconds where there are fewer processors than work items.
class Barrier {
 public:
  explicit Barrier(int count) : count_(count) {}
  void Wait() {
    std::unique_lock lock(mutex_);
    const int round = round_;
    if (++waiting_ == count_) {
      waiting_ = 0;
      ++round_;
      all_.notify_all();
    } else {
      all_.wait(lock, [&] { return round_ != round; });
    }
  }

 private:
  const int count_;
  int waiting_ = 0, round_ = 0;
  std::mutex mutex_;
  std::condition_variable all_;
};

// Where the calling thread stands in the launch.
struct WorkItem {
  int64_t group = 0, groups = 1;
  int32_t local = 0, locals = 1;
  Barrier* barrier = nullptr;
};
inline thread_local WorkItem work_item;

using u8 = uint8_t;
using i8 = int8_t;
using u16 = uint16_t;
using i16 = int16_t;
using u32 = uint32_t;
using i32 = int32_t;
using u64 = unsigned long long;
using i64 = long long;
using f32 = float;
using f64 = double;
using f16 = uint16_t;

#define DEVICE [[maybe_unused]] static inline
#define KERNEL static void
#define GLOBAL
#define LOCAL static
#define ALIGNED(bytes) alignas(bytes)
#define GLOBAL_ID ((i64)work_item.group * work_item.locals + work_item.local)
#define GLOBAL_SIZE ((i64)work_item.groups * work_item.locals)
#define GROUP_ID ((i64)work_item.group)
#define GROUP_COUNT ((i64)work_item.groups)
#define LOCAL_ID (work_item.local)
#define LOCAL_SIZE (work_item.locals)
#define BARRIER() work_item.barrier->Wait()
#define U64(x) x##ull

DEVICE u32 bits_f32(f32 x) { return tenon_f32_bits(x); }
DEVICE f32 f32_of_bits(u32 x) { return tenon_f32_from_bits(x); }
DEVICE u64 bits_f64(f64 x) {
  u64 bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}
DEVICE f64 f64_of_bits(u64 bits) {
  f64 x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
DEVICE f32 f16_to_f32(f16 h) { return tenon_f16_to_f32(h); }
DEVICE f16 f32_to_f16(f32 x) { return tenon_f32_to_f16(x); }

// The overloads for float too, without the headers' names for the rest of the world.
using std::acos, std::acosh, std::asin, std::asinh, std::atan, std::atan2, std::atanh, std::ceil,
    std::copysign, std::cos, std::cosh, std::erf, std::erfc, std::exp, std::exp2, std::expm1,
    std::fabs, std::floor, std::fma, std::fmod, std::lgamma, std::log, std::log10, std::log1p,
    std::log2, std::pow, std::rint, std::sin, std::sinh, std::sqrt, std::tan, std::trunc;
DEVICE f64 erfinv_f64(f64 x) { return tenon_erfinv(x); }
DEVICE f32 erfinv_f32(f32 x) { return static_cast<f32>(tenon_erfinv(static_cast<f64>(x))); }
DEVICE f64 tanh_f64(f64 x) { return std::tanh(x); }
DEVICE f32 tanh_f32(f32 x) { return std::tanh(x); }

// Calls the kernel as a driver does: pointers to the arguments.
struct HostKernel {
  const char* name;
  void (*call)(void* const* arguments);
};

}  // namespace host_kernels

#endif  // TENON_TESTS_CODEGEN_HOST_PRELUDE_H_
