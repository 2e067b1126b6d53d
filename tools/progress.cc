#include "tools/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace tenon::tools {
namespace {

constexpr auto kInterval = std::chrono::milliseconds(100);
constexpr int kMaxBar = 30, kMinBar = 5;

int terminal_width() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::string grouped(int64_t number) {
  std::string digits = std::to_string(number);
  const size_t sign = number < 0 ? 1 : 0;
  for (size_t i = digits.size(); i > sign + 3;) digits.insert(i -= 3, 1, ',');
  return digits;
}

std::string progress_line(const std::string& title, int64_t done, int64_t total,
                          const std::string& text, int width) {
  const double share =
      total > 0 ? std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0)
                : 1.0;
  std::string percent = std::to_string(static_cast<int>(share * 100)) + " %";
  percent.insert(0, 5 - percent.size(), ' ');
  const int around = static_cast<int>(title.size() + percent.size() + text.size()) + 6;
  const int bar = std::min(kMaxBar, width - around);
  std::string line = title;
  if (bar >= kMinBar) {
    const auto filled = static_cast<size_t>(share * bar);
    std::string cells(filled, '=');
    if (filled < static_cast<size_t>(bar)) cells += '>';
    cells.resize(static_cast<size_t>(bar), ' ');
    line += " [" + cells + "]";
  }
  line += " " + percent + "  " + text;
  return line.substr(0, static_cast<size_t>(std::max(width, 0)));
}

Progress::Progress(std::string title, int64_t total)
    : title_(std::move(title)),
      total_(total),
      terminal_(isatty(STDOUT_FILENO) == 1),
      next_(Clock::now() + kInterval) {}

void Progress::show(int64_t done, const std::string& text) {
  if (!terminal_) return;
  // One column stays free: some terminals wrap after the last.
  const std::string line = progress_line(title_, done, total_, text, terminal_width() - 1);
  std::printf("\r%s\033[K", line.c_str());
  std::fflush(stdout);
  next_ = Clock::now() + kInterval;
}

void Progress::finish(const std::string& line) {
  std::printf("%s%s\n", terminal_ ? "\r\033[K" : "", line.c_str());
  std::fflush(stdout);
}

}  // namespace tenon::tools
