#include "tools/svg_gallery.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "tenon/base/error.h"
#include "tools/svg_plot.h"

namespace tenon::tools {
namespace {

constexpr int kColumns = 8, kShades = 16;
constexpr double kCell = 120, kRow = 142, kPicture = 96, kHeader = 52, kMargin = 12;  // pixels

int shade_of(float value) {
  return static_cast<int>(std::lround(std::clamp(value, 0.0f, 1.0f) * (kShades - 1)));
}

// In units of a pixel of the picture, from its upper left corner. Every shade but white is one
// path.
std::string draw_pixels(const Picture& picture) {
  std::array<std::string, kShades> paths;
  for (int64_t y = 0; y < picture.height; ++y) {
    const float* row = picture.pixels.data() + y * picture.width;
    for (int64_t x = 0, end; x < picture.width; x = end) {
      const int shade = shade_of(row[x]);
      for (end = x + 1; end < picture.width && shade_of(row[end]) == shade;) ++end;
      paths[static_cast<size_t>(shade)] +=
          concat_text("M", x, " ", y, "h", end - x, "v1h", x - end, "z");
    }
  }
  std::string out;
  for (int shade = 1; shade < kShades; ++shade) {
    const std::string& path = paths[static_cast<size_t>(shade)];
    if (path.empty()) continue;
    const int grey = 255 - 255 * shade / (kShades - 1);
    out += concat_text("<path fill='rgb(", grey, ",", grey, ",", grey, ")' d='", path, "'/>\n");
  }
  return out;
}

std::string draw(const Picture& picture, double x, double y) {
  const double scale =
      kPicture / static_cast<double>(std::max<int64_t>({picture.width, picture.height, 1}));
  std::string out = concat_text(
      "<g transform='translate(", svg_number(x), " ", svg_number(y), ")'>\n", "<rect width='",
      kPicture, "' height='", kPicture,
      "' fill='#fff' stroke='#ddd'/>\n<g shape-rendering='crispEdges' transform='scale(", scale,
      ")'>\n", draw_pixels(picture), "</g>\n");
  out += concat_text("<text x='", kPicture / 2, "' y='", kPicture + 16,
                     "' text-anchor='middle' fill='#222'>", svg_text(picture.caption), "</text>\n");
  out += concat_text("<text x='", kPicture / 2, "' y='", kPicture + 31,
                     "' text-anchor='middle' font-size='11' fill='#888'>", svg_text(picture.detail),
                     "</text>\n</g>\n");
  return out;
}

}  // namespace

std::string gallery_svg(std::string_view title, const std::vector<Picture>& pictures) {
  const auto count = static_cast<int>(pictures.size());
  const int rows = (count + kColumns - 1) / kColumns;
  const std::string width = svg_number(kColumns * kCell + 2 * kMargin);
  const std::string height = svg_number(kHeader + rows * kRow + kMargin);
  std::string out = concat_text(
      "<svg xmlns='http://www.w3.org/2000/svg' width='", width, "' height='", height,
      "' viewBox='0 0 ", width, " ", height,
      "' font-family='system-ui, sans-serif' font-size='12'>\n"
      "<rect width='100%' height='100%' fill='#fff'/>\n<text x='24' y='32' font-size='17' "
      "font-weight='600' fill='#222'>",
      svg_text(title), "</text>\n");
  for (int i = 0; i < count; ++i) {
    const int row = i / kColumns, column = i % kColumns;
    out += draw(pictures[static_cast<size_t>(i)], kMargin + (kCell - kPicture) / 2 + column * kCell,
                kHeader + row * kRow);
  }
  return out + "</svg>\n";
}

}  // namespace tenon::tools
