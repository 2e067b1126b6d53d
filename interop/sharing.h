// What keeps an array's memory from being a tensor's, and a tensor's from being an array's: the one
// table of rules by which every door shares, copies or refuses.
//
//   Obstacles o = obstacles_to_share(array, DType::float32, Device("cuda"));
//   if (!o.any()) ...                 // share
//   o.text()                          // "its byte order is foreign; it is in host memory, not on
//   cuda:0"
//
// A door that may copy does so when there is any obstacle and says which in its Report; a door that
// must share refuses with all of them at once and one way out.
//
// - Thread safety: pure functions.
#ifndef TENON_INTEROP_SHARING_H_
#define TENON_INTEROP_SHARING_H_

#include <cstdint>
#include <string>

#include "tenon/interop/ndarray.h"
#include "tenon/tensor/tensor.h"

namespace tenon::interop {

// What one conversion did.
struct Report {
  bool shared = false;  // do both look at the same memory?
  std::string why;      // the rule that decided
  int64_t bytes = 0;    // of the result's elements; moved if not shared
  DType dtype_before = DType::none, dtype_after = DType::none;
  std::string device_before, device_after;

  // "copied 24 bytes: the dtype changes (int64 on cpu -> float32 on cpu)"
  std::string text() const;
};

enum class Obstacle : uint8_t {
  kByteOrder,
  kOddStrides,
  kMisaligned,
  kDType,
  kDevice,
  kGradient,
};

// A set of obstacles, with the words for them.
class Obstacles {
 public:
  void add(Obstacle o) { bits_ |= bit(o); }
  bool any() const { return bits_ != 0; }
  bool has(Obstacle o) const { return (bits_ & bit(o)) != 0; }
  // All of them, "; " between.
  std::string text() const;

 private:
  static uint32_t bit(Obstacle o) { return 1u << static_cast<int>(o); }
  uint32_t bits_ = 0;
};

// Array to tensor. Strides of any sign, zero and gapped ones, and read-only memory are none:
// tensors have them.
Obstacles obstacles_to_share(const NdArray& array, DType wanted, Device device);

// Tensor to array.
Obstacles obstacles_to_share(const Tensor& tensor);

}  // namespace tenon::interop

#endif  // TENON_INTEROP_SHARING_H_
