// Random numbers: the same bits on every device, for any number of threads.
//
// Philox4x32-10 keyed by the generator's seed and counted by the element's row-major index plus the
// generator's offset, which each call reserves atomically. Element i of a draw does not depend on
// layout or device.
#ifndef TENON_OPS_RANDOM_H_
#define TENON_OPS_RANDOM_H_

#include <atomic>
#include <cstdint>

#include "tenon/tensor/tensor.h"

namespace tenon {

class Generator {
 public:
  explicit Generator(uint64_t seed = 0) : seed_(seed) {}
  uint64_t seed() const { return seed_.load(); }
  // Starts again from a seed; not while another thread draws.
  void reseed(uint64_t seed) {
    seed_.store(seed);
    offset_.store(0);
  }
  uint64_t offset() const { return offset_.load(); }
  void set_offset(uint64_t offset) { offset_.store(offset); }
  // Reserves `count` counters and returns the first.
  uint64_t reserve(uint64_t count) { return offset_.fetch_add(count); }

 private:
  std::atomic<uint64_t> seed_;
  std::atomic<uint64_t> offset_{0};
};

// The process's generator (seed 0 until manual_seed).
Generator& default_generator();
void manual_seed(uint64_t seed);

// Uniform in [low, high): 24 random bits for float32 and narrower, 53 for float64.
Tensor uniform(DimsView shape, double low = 0, double high = 1, DType dtype = kDefaultFloat,
               Device device = Device(), Generator& generator = default_generator());
// Normal, by the inverse of the distribution function in exactly rounded arithmetic.
Tensor normal(DimsView shape, double mean = 0, double stddev = 1, DType dtype = kDefaultFloat,
              Device device = Device(), Generator& generator = default_generator());
// Integers in [low, high); int64 or another integer dtype.
Tensor randint(DimsView shape, int64_t low, int64_t high, DType dtype = kDefaultInt,
               Device device = Device(), Generator& generator = default_generator());
// 0 .. n-1 in random order (int64).
Tensor randperm(int64_t n, Device device = Device(), Generator& generator = default_generator());
// Each element is dropped (0) with probability p, the others are scaled by 1 / (1 - p). p = 0 gives
// x itself. Backward uses the same mask, recomputed, not stored.
Tensor dropout(const Tensor& x, double p, Generator& generator = default_generator());

}  // namespace tenon

#endif  // TENON_OPS_RANDOM_H_
