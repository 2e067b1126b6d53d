// Pictures of digits that the program draws itself: a data set where there is no file.
//
//   DrawnDigits train = draw_digits(/*seed=*/0, /*first=*/0, /*count=*/20000);
//   train.images    // uint8 [20000, 20, 20], 0 is paper and 255 ink
//   train.labels    // int64 [20000], 0 to 9
//
// Each digit is a few pen strokes, bent, turned, sheared, scaled, shifted, drawn with a pen of
// random width and disturbed by a stray stroke and noise. Hard enough that a linear model gets less
// than 90 % right, while a small network gets more than 97 %. Image i depends on the seed and i
// alone; only exactly rounded arithmetic is used, so that it is the same on every machine.
// Thread-safe.
#ifndef TENON_TOOLS_DRAWN_DIGITS_H_
#define TENON_TOOLS_DRAWN_DIGITS_H_

#include <cstdint>

#include "tenon/interop/ndarray.h"

namespace tenon::tools {

inline constexpr int kDrawnSide = 20;  // pixels

struct DrawnDigits {
  interop::NdArray images, labels;
};

// Images first, first + 1, .. of the endless sequence that the seed names.
DrawnDigits draw_digits(uint64_t seed, int64_t first, int64_t count);

}  // namespace tenon::tools

#endif  // TENON_TOOLS_DRAWN_DIGITS_H_
