#include "tools/svg_plot.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "tenon/base/error.h"

namespace tenon::tools {
namespace {

// Pixels.
constexpr double kWidth = 440, kHeight = 330, kHeader = 44;
constexpr double kLeft = 62, kRight = 18, kTop = 58, kBottom = 46;

// Distinguishable with any colour vision (Okabe and Ito 2008).
constexpr std::array<const char*, 6> kColours = {"#0072b2", "#d55e00", "#009e73",
                                                 "#cc79a7", "#e69f00", "#56b4e9"};

// Maps [low, high] to pixels.
struct Axis {
  double low, high, from, to;
  bool logarithmic;

  double value(double v) const { return logarithmic ? std::log10(v) : v; }
  bool shows(double v) const { return std::isfinite(v) && (!logarithmic || v > 0); }
  double operator()(double v) const {
    return from + (to - from) * (value(v) - value(low)) / (value(high) - value(low));
  }
};

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  void add(double v) { low = std::min(low, v), high = std::max(high, v); }
};

std::string label(double value) {
  char buffer[32];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::general, 6).ptr;
  return std::string(buffer, end);
}

std::string text_at(double x, double y, std::string_view style, std::string_view text) {
  return concat_text("<text x='", svg_number(x), "' y='", svg_number(y), "' ", style, ">",
                     svg_text(text), "</text>\n");
}

std::string line_at(double x1, double y1, double x2, double y2, std::string_view style) {
  return concat_text("<line x1='", svg_number(x1), "' y1='", svg_number(y1), "' x2='",
                     svg_number(x2), "' y2='", svg_number(y2), "' ", style, "/>\n");
}

// One path; a gap where a point cannot be shown. A lone point becomes a dot, for its line has round
// ends.
std::string path_of(const Series& series, const Axis& x, const Axis& y, std::string_view colour) {
  std::string d;
  bool down = false;
  for (size_t i = 0; i < series.x.size(); ++i) {
    if (!x.shows(series.x[i]) || !y.shows(series.y[i])) {
      down = false;
      continue;
    }
    const std::string at = svg_number(x(series.x[i])) + " " + svg_number(y(series.y[i]));
    d += down ? "L" + at : "M" + at + "h0";
    down = true;
  }
  return concat_text("<path d='", d, "' fill='none' stroke='", colour,
                     "' stroke-width='2' stroke-linejoin='round' stroke-linecap='round'/>\n");
}

std::string draw(const Chart& chart) {
  Axis x{0, 1, kLeft, kWidth - kRight, false};
  Axis y{0, 1, kHeight - kBottom, kTop, chart.log_scale};
  Range xs, ys;
  for (const Series& s : chart.series) {
    for (size_t i = 0; i < s.x.size(); ++i) {
      if (x.shows(s.x[i]) && y.shows(s.y[i])) xs.add(s.x[i]), ys.add(s.y[i]);
    }
  }
  if (xs.low > xs.high) xs = {0, 1}, ys = {0.1, 1};
  const std::vector<double> rows =
      chart.log_scale ? log_ticks(ys.low, ys.high) : round_ticks(ys.low, ys.high, 5);
  y.low = rows.front(), y.high = rows.back();
  x.low = xs.low, x.high = xs.high > xs.low ? xs.high : xs.low + 1;

  std::string out = text_at(kLeft, 22, "font-size='14' font-weight='600' fill='#222'", chart.title);
  for (double v : rows) {
    out += line_at(x.from, y(v), x.to, y(v), "stroke='#e4e4e4'");
    out += text_at(x.from - 8, y(v) + 4, "text-anchor='end'", label(v) + chart.unit);
  }
  for (double v : round_ticks(x.low, x.high, 6)) {
    if (v < x.low || v > x.high) continue;
    out += line_at(x(v), y.from, x(v), y.from + 4, "stroke='#999'");
    out += text_at(x(v), y.from + 18, "text-anchor='middle'", label(v));
  }
  out += line_at(x.from, y.from, x.to, y.from, "stroke='#999'");
  out += text_at((x.from + x.to) / 2, kHeight - 8, "text-anchor='middle'", chart.x_label);

  double legend = kLeft;
  for (const Series& s : chart.series) {
    const char* colour = kColours[s.colour % kColours.size()];
    out += path_of(s, x, y, colour);
    out += concat_text("<circle cx='", svg_number(legend + 4), "' cy='37' r='4' fill='", colour,
                       "'/>\n");
    out += text_at(legend + 14, 41, "", s.name);
    legend += 34 + 6.5 * static_cast<double>(s.name.size());
  }
  return out;
}

}  // namespace

std::vector<double> round_ticks(double low, double high, int count) {
  if (!(high > low)) {
    const double around = low != 0 ? std::abs(low) / 2 : 1;
    low -= around, high += around;
  }
  const double rough = (high - low) / count;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  const double share = rough / power;
  const double step = (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10) * power;
  std::vector<double> ticks;
  const double first = std::floor(low / step + 1e-9), last = std::ceil(high / step - 1e-9);
  for (double i = first; i <= last; ++i) ticks.push_back(i * step);
  return ticks;
}

std::vector<double> log_ticks(double low, double high) {
  const int first = static_cast<int>(std::floor(std::log10(low)));
  const int last = static_cast<int>(std::ceil(std::log10(high)));
  std::vector<double> all;
  for (int power = first; power <= last; ++power) {
    for (double digit : {1.0, 2.0, 5.0}) {
      if (digit == 1 || last - first <= 2) all.push_back(digit * std::pow(10, power));
    }
  }
  // From the last that is not above low to the first that is not below high.
  constexpr double kSlack = 1 + 1e-9;
  size_t from = 0, to = all.size() - 1;
  while (from + 1 < all.size() && all[from + 1] <= low * kSlack) ++from;
  while (to > from + 1 && all[to - 1] * kSlack >= high) --to;
  return {all.begin() + static_cast<std::ptrdiff_t>(from),
          all.begin() + static_cast<std::ptrdiff_t>(to) + 1};
}

std::string svg_text(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string svg_number(double value) {
  const double rounded = std::round(value * 100) / 100;
  return concat_text(rounded == 0 ? 0.0 : rounded);
}

std::string plot_svg(std::string_view title, const std::vector<Chart>& charts) {
  const std::string width = svg_number(kWidth * static_cast<double>(charts.size()));
  const std::string height = svg_number(kHeader + kHeight);
  std::string out =
      concat_text("<svg xmlns='http://www.w3.org/2000/svg' width='", width, "' height='", height,
                  "' viewBox='0 0 ", width, " ", height,
                  "' font-family='system-ui, sans-serif' font-size='12' fill='#555'>\n"
                  "<rect width='100%' height='100%' fill='#fff'/>\n");
  out += text_at(kLeft, 30, "font-size='17' font-weight='600' fill='#222'", title);
  for (size_t i = 0; i < charts.size(); ++i) {
    out += concat_text("<g transform='translate(", svg_number(kWidth * static_cast<double>(i)), " ",
                       svg_number(kHeader), ")'>\n");
    out += draw(charts[i]);
    out += "</g>\n";
  }
  return out + "</svg>\n";
}

}  // namespace tenon::tools
