#include "tools/drawn_digits.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <vector>

namespace tenon::tools {
namespace {

struct Point {
  double x, y;
};

// Splitmix64 (Steele, Lea and Flood 2014).
class Random {
 public:
  Random(uint64_t seed, uint64_t stream) : state_(mix(seed) ^ mix(~stream)) {}
  uint64_t bits() { return mix(state_ += 0x9E3779B97F4A7C15); }
  double uniform(double low, double high) {
    return low + (high - low) * (static_cast<double>(bits() >> 11) * 0x1p-53);
  }
  // Near enough to a normal distribution, without a logarithm: the sum of four uniform numbers.
  double bell(double stddev) {
    double sum = 0;
    for (int i = 0; i < 4; ++i) sum += uniform(-1, 1);
    return sum * stddev * 0.8660254037844386;  // sqrt(3 / 4)
  }

 private:
  static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  uint64_t state_;
};

// The pen's way in hundredths of a box, y downwards; a negative x lifts the pen.
constexpr Point kLift{-1, -1};
constexpr Point kZero[] = {{50, 8},  {70, 20}, {78, 50}, {70, 80}, {50, 92},
                           {30, 80}, {22, 50}, {30, 20}, {50, 8}};
constexpr Point kOne[] = {{34, 26}, {52, 8}, {52, 92}};
constexpr Point kTwo[] = {{24, 28}, {32, 13}, {52, 8},  {70, 15},
                          {75, 30}, {66, 48}, {24, 92}, {78, 92}};
constexpr Point kThree[] = {{26, 14}, {50, 8},  {70, 16}, {72, 32}, {60, 46}, {42, 48}, kLift,
                            {60, 46}, {76, 60}, {76, 78}, {62, 90}, {42, 92}, {24, 84}};
constexpr Point kFour[] = {{62, 92}, {62, 8}, {22, 64}, {80, 64}};
constexpr Point kFive[] = {{74, 8},  {32, 8},  {28, 46}, {50, 42}, {70, 48},
                           {78, 66}, {72, 84}, {50, 92}, {26, 86}};
constexpr Point kSix[] = {{68, 10}, {44, 22}, {28, 46}, {24, 70}, {34, 88}, {52, 92},
                          {70, 86}, {76, 70}, {68, 56}, {50, 50}, {32, 56}, {25, 68}};
constexpr Point kSeven[] = {{22, 8}, {78, 8}, {46, 92}};
constexpr Point kEight[] = {{50, 48}, {32, 38}, {30, 20}, {50, 8},  {70, 20}, {68, 38}, {50, 48},
                            {28, 62}, {26, 80}, {50, 92}, {74, 80}, {72, 62}, {50, 48}};
constexpr Point kNine[] = {{74, 32}, {66, 46}, {48, 50}, {30, 44}, {24, 28}, {32, 14},
                           {50, 8},  {68, 14}, {75, 30}, {72, 56}, {60, 78}, {36, 92}};
constexpr std::array<std::span<const Point>, 10> kDigits = {kZero, kOne, kTwo,   kThree, kFour,
                                                            kFive, kSix, kSeven, kEight, kNine};

// Grey values of one picture, in [0, 1].
class Canvas {
 public:
  Canvas() : ink_(size_t{kDrawnSide} * kDrawnSide, 0.0) {}

  // A pen of this radius with a soft edge of one pixel goes from a to b.
  void line(Point a, Point b, double radius, double ink) {
    const double reach = radius + 0.5;
    const int left = clip(std::min(a.x, b.x) - reach), right = clip(std::max(a.x, b.x) + reach + 1);
    const int top = clip(std::min(a.y, b.y) - reach), bottom = clip(std::max(a.y, b.y) + reach + 1);
    const Point way{b.x - a.x, b.y - a.y};
    const double length2 = std::max(way.x * way.x + way.y * way.y, 1e-9);
    for (int y = top; y < bottom; ++y) {
      for (int x = left; x < right; ++x) {
        const Point from{x + 0.5 - a.x, y + 0.5 - a.y};
        const double t = std::clamp((from.x * way.x + from.y * way.y) / length2, 0.0, 1.0);
        const double dx = from.x - t * way.x, dy = from.y - t * way.y;
        const double cover = std::clamp(reach - std::sqrt(dx * dx + dy * dy), 0.0, 1.0);
        double& pixel = ink_[static_cast<size_t>(y) * kDrawnSide + static_cast<size_t>(x)];
        pixel = std::max(pixel, cover * ink);
      }
    }
  }

  void write(Random& random, double noise, uint8_t* pixels) const {
    for (double ink : ink_) {
      const double value = std::clamp(ink + random.bell(noise), 0.0, 1.0);
      *pixels++ = static_cast<uint8_t>(std::lround(value * 255));
    }
  }

 private:
  static int clip(double at) { return static_cast<int>(std::clamp(at, 0.0, kDrawnSide + 0.0)); }
  std::vector<double> ink_;
};

// Turns, shears, scales and shifts the box in which digits are given into the picture.
class Placement {
 public:
  explicit Placement(Random& random) {
    const double half_angle_tangent = random.uniform(-0.13, 0.13);  // up to about 15 degrees
    const double u2 = half_angle_tangent * half_angle_tangent;
    const double cosine = (1 - u2) / (1 + u2), sine = 2 * half_angle_tangent / (1 + u2);
    const double width = random.uniform(11, 17), height = random.uniform(11, 17);
    const double shear = random.uniform(-0.25, 0.25);
    xx_ = width * cosine, xy_ = height * (shear * cosine - sine);
    yx_ = width * sine, yy_ = height * (shear * sine + cosine);
    x_ = kDrawnSide / 2.0 + random.uniform(-2, 2);
    y_ = kDrawnSide / 2.0 + random.uniform(-2, 2);
  }
  Point operator()(Point p) const {
    const double x = p.x / 100 - 0.5, y = p.y / 100 - 0.5;
    return {x_ + xx_ * x + xy_ * y, y_ + yx_ * x + yy_ * y};
  }

 private:
  double xx_, xy_, yx_, yy_, x_, y_;
};

void draw(Random& random, int64_t digit, uint8_t* pixels) {
  Canvas canvas;
  const Placement place(random);
  const double radius = random.uniform(0.5, 1.3);
  const double ink = random.uniform(0.6, 1.0);
  bool down = false;
  Point last{};
  for (Point p : kDigits[static_cast<size_t>(digit)]) {
    if (p.x < 0) {
      down = false;
      continue;
    }
    const Point next = place({p.x + random.bell(3), p.y + random.bell(3)});
    if (down) canvas.line(last, next, radius, ink);
    last = next, down = true;
  }
  // A stray stroke.
  const Point start{random.uniform(0, kDrawnSide), random.uniform(0, kDrawnSide)};
  canvas.line(start, {start.x + random.uniform(-6, 6), start.y + random.uniform(-6, 6)}, 0.4, ink);
  canvas.write(random, 0.1, pixels);
}

}  // namespace

DrawnDigits draw_digits(uint64_t seed, int64_t first, int64_t count) {
  DrawnDigits set{interop::NdArray::uninitialized(DType::uint8, {count, kDrawnSide, kDrawnSide}),
                  interop::NdArray::uninitialized(DType::int64, {count})};
  const auto pixels = set.images.mutable_values<uint8_t>();
  const auto labels = set.labels.mutable_values<int64_t>();
  for (int64_t i = 0; i < count; ++i) {
    Random random(seed, static_cast<uint64_t>(first + i));
    const auto at = static_cast<size_t>(i);
    labels[at] = static_cast<int64_t>(random.bits() % 10);
    draw(random, labels[at], pixels.data() + at * kDrawnSide * kDrawnSide);
  }
  return set;
}

}  // namespace tenon::tools
