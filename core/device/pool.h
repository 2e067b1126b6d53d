// The one thread pool of the process. Backends use it through TenonHost.parallel_for.
//
// TENON_NUM_THREADS or set_num_threads() set its size (default: the processors this process may
// use). Workers start at first use, spin for a short while after work and then sleep; a forked
// child starts new ones. How work is cut never depends on the number of threads, so results are the
// same bits for any.
#ifndef TENON_DEVICE_POOL_H_
#define TENON_DEVICE_POOL_H_

#include <cstdint>

namespace tenon {

int num_threads();
void set_num_threads(int count);  // at least 1; takes effect for the next parallel_for

// fn(arg, begin, end) over pieces of [0, n) that start at multiples of `grain`. Runs inline when n
// <= grain, when called from inside another parallel_for, or with one thread.
void parallel_for(int64_t n, int64_t grain, void (*fn)(void* arg, int64_t begin, int64_t end),
                  void* arg) noexcept;

}  // namespace tenon

#endif  // TENON_DEVICE_POOL_H_
