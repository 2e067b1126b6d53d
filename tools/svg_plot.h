// Line charts as SVG, side by side in one picture: good enough to look at, small enough to read.
//
//   plot_svg("Training", {{.title = "loss",
//                          .x_label = "epoch",
//                          .log_scale = true,
//                          .series = {{"training", x, a, 0}, {"test", x, b, 1}}}});
//
// Numbers that are not finite (on a logarithmic scale: not above 0 either) leave a gap in their
// line. Axes end at round numbers. Pure functions.
#ifndef TENON_TOOLS_SVG_PLOT_H_
#define TENON_TOOLS_SVG_PLOT_H_

#include <string>
#include <string_view>
#include <vector>

namespace tenon::tools {

struct Series {
  std::string name;
  std::vector<double> x, y;  // as many of the one as of the other
  size_t colour = 0;         // of a list of six; equal things in several charts take one
};

struct Chart {
  std::string title, x_label;
  std::string unit = {};   // behind the numbers of the y axis
  bool log_scale = false;  // of the y axis
  std::vector<Series> series;
};

std::string plot_svg(std::string_view title, const std::vector<Chart>& charts);

// The round numbers (1, 2 or 5 times a power of ten apart) between which and at which [low, high]
// is marked: about `count`, the first not above low, the last not below high.
std::vector<double> round_ticks(double low, double high, int count);
// 1, 2 and 5 times powers of ten (powers of ten only, where that would be many) around [low, high],
// low > 0.
std::vector<double> log_ticks(double low, double high);

// & < > and " made harmless.
std::string svg_text(std::string_view text);
// A number as SVG takes it, with two decimals at most.
std::string svg_number(double value);

}  // namespace tenon::tools

#endif  // TENON_TOOLS_SVG_PLOT_H_
