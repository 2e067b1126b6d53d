// Size classes of the memory cache: eight per power of two, so that at most an eighth of a block is
// unused.
//
//   64, 128, ... 512, 576, 640, ... 1024, 1152, ...      bytes, all multiples of 64
//
// A size that is a multiple of some power of two keeps that alignment through its class.
#ifndef TENON_DEVICE_SIZE_CLASS_H_
#define TENON_DEVICE_SIZE_CLASS_H_

#include <bit>
#include <cstdint>

namespace tenon {

inline constexpr unsigned kSizeClasses = 320;
inline constexpr uint64_t kMaxBlockBytes = uint64_t{1} << 48;  // of the last class

// 0 < bytes <= kMaxBlockBytes.
constexpr unsigned size_class(uint64_t bytes) {
  if (bytes <= 512) return static_cast<unsigned>((bytes - 1) / 64);
  const unsigned e =
      static_cast<unsigned>(std::bit_width(bytes - 1)) - 1;              // 2^e < bytes <= 2^(e+1)
  const uint64_t eighths = (bytes - 1 - (uint64_t{1} << e)) >> (e - 3);  // 0 to 7
  return 8 + (e - 9) * 8 + static_cast<unsigned>(eighths);
}

// Bytes of a block of the class.
constexpr uint64_t class_bytes(unsigned c) {
  if (c < 8) return (c + 1) * uint64_t{64};
  const unsigned e = 9 + (c - 8) / 8;
  return (uint64_t{1} << e) + ((c - 8) % 8 + 1) * (uint64_t{1} << (e - 3));
}

static_assert(class_bytes(kSizeClasses - 1) == kMaxBlockBytes);
static_assert(size_class(kMaxBlockBytes) == kSizeClasses - 1);

}  // namespace tenon

#endif  // TENON_DEVICE_SIZE_CLASS_H_
