// Proves that plots put points where their numbers are, that ticks are round and enclose the data,
// and that text and odd numbers do no harm.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tools/svg_gallery.h"
#include "tools/svg_plot.h"

namespace tenon::tools {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

size_t count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

TEST(SvgPlotTest, TicksAreRoundAndEncloseTheRange) {
  EXPECT_EQ(round_ticks(0, 10, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(round_ticks(92.3, 98.1, 5), (std::vector<double>{92, 93, 94, 95, 96, 97, 98, 99}));
  EXPECT_EQ(round_ticks(1, 30, 6), (std::vector<double>{0, 5, 10, 15, 20, 25, 30}));
  EXPECT_EQ(round_ticks(-3, 5, 5), (std::vector<double>{-4, -2, 0, 2, 4, 6}));
  const std::vector<double> one = round_ticks(7, 7, 5);
  EXPECT_TRUE(one.front() < 7 && one.back() > 7);
  EXPECT_EQ(log_ticks(0.01, 1), (std::vector<double>{0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1}));
  const std::vector<double> decades = log_ticks(3e-6, 40);
  EXPECT_EQ(decades.size(), 9u);
  EXPECT_NEAR(decades.front(), 1e-6, 1e-18);
  EXPECT_EQ(decades.back(), 100);
  for (double v : {1.0, 0.3, 7.0, 1e-8}) {
    const std::vector<double> ticks = log_ticks(v, v);
    EXPECT_TRUE(ticks.front() <= v && ticks.back() >= v && ticks.size() >= 2) << v;
  }
}

TEST(SvgPlotTest, PointsLieWhereTheirNumbersAre) {
  const std::string svg =
      plot_svg("t", {{.title = "c", .x_label = "x", .series = {{"s", {0, 1, 2}, {0, 10, 5}}}}});
  // x from 62 to 422, y from 284 down to 58.
  EXPECT_NE(svg.find("d='M62 284h0L242 58L422 171'"), std::string::npos) << svg;
}

TEST(SvgPlotTest, GapsAndNoNumbersAtAll) {
  const std::vector<double> x = {1, 2, 3, 4}, y = {1, kNan, 0, 10};
  const std::string svg = plot_svg("t", {{.title = "c",
                                          .x_label = "x",
                                          .log_scale = true,
                                          .series = {{"s", x, y}, {"none", {}, {}}}}});
  EXPECT_NE(svg.find("d='M62 284h0M422 58h0'"), std::string::npos) << svg;
  for (const auto& series : {Series{"a", {1}, {5}}, Series{"b", {}, {}},
                             Series{"c", {1, 2}, {kNan, kInfinity}}, Series{"d", {1, 2}, {3, 3}}}) {
    for (bool log_scale : {false, true}) {
      const std::string odd = plot_svg(
          "t", {{.title = "c", .x_label = "x", .log_scale = log_scale, .series = {series}}});
      EXPECT_EQ(count(odd, "nan") + count(odd, "inf"), 0u) << odd;
    }
  }
}

TEST(SvgPlotTest, TextIsEscapedAndNumbersAreShort) {
  EXPECT_EQ(svg_text("a<b> & 'c' \"d\""), "a&lt;b&gt; &amp; &#39;c&#39; &quot;d&quot;");
  EXPECT_EQ(count(plot_svg("<script>", {}), "<script>"), 0u);
  EXPECT_EQ(svg_number(1.0 / 3), "0.33");
  EXPECT_EQ(svg_number(-0.001), "0");
}

TEST(SvgGalleryTest, PixelsBecomeRuns) {
  const std::string svg = gallery_svg("one & all", {{.pixels = {0, 1, 1, 0.5f, 0, 2},
                                                     .height = 2,
                                                     .width = 3,
                                                     .caption = "is 3 < 4",
                                                     .detail = "99 %"}});
  EXPECT_NE(svg.find("<path fill='rgb(0,0,0)' d='M1 0h2v1h-2zM2 1h1v1h-1z'/>"), std::string::npos)
      << svg;
  EXPECT_EQ(count(svg, "<path"), 2u);  // black and grey; white is the paper
  EXPECT_NE(svg.find("is 3 &lt; 4"), std::string::npos);
  EXPECT_NE(svg.find("one &amp; all"), std::string::npos);
}

TEST(SvgGalleryTest, NoPicturesIsAPictureToo) {
  const std::string svg = gallery_svg("0 wrong guesses", {});
  EXPECT_EQ(count(svg, "<path"), 0u);
  EXPECT_NE(svg.find("0 wrong guesses"), std::string::npos);
}

}  // namespace
}  // namespace tenon::tools
