// Small grey pictures with captions in a grid, as SVG.
//
//   std::string svg = gallery_svg("12 wrong guesses", {{.pixels = p, .height = 8, .width = 8,
//                                                      .caption = "is 3, guessed 8", .detail = "71
//                                                      %"}});
//
// Pixels are drawn as rectangles of 16 shades, neighbours of one shade in one piece; the file needs
// nothing beside itself. Pure function.
#ifndef TENON_TOOLS_SVG_GALLERY_H_
#define TENON_TOOLS_SVG_GALLERY_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::tools {

struct Picture {
  std::vector<float>
      pixels;  // row by row, height * width of them: 0 is white, 1 is black, beyond is clipped
  int64_t height = 0, width = 0;
  std::string caption, detail;
};

std::string gallery_svg(std::string_view title, const std::vector<Picture>& pictures);

}  // namespace tenon::tools

#endif  // TENON_TOOLS_SVG_GALLERY_H_
