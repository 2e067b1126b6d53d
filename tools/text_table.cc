#include "tools/text_table.h"

#include <algorithm>
#include <cstdio>

namespace tenon::tools {
namespace {

void trim_right(std::string& line) { line.erase(line.find_last_not_of(' ') + 1); }

}  // namespace

std::vector<std::string> wrap(std::string_view text, size_t width) {
  std::vector<std::string> lines;
  while (true) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    while (line.size() > width) {
      const size_t margin = line.find_first_not_of(' ');  // of an indented line, no place to break
      size_t space = line.rfind(' ', width);
      if (space == std::string_view::npos || space < margin) space = line.find(' ', margin);
      if (space == std::string_view::npos) break;
      lines.emplace_back(line.substr(0, space));
      line.remove_prefix(space + 1);
    }
    lines.emplace_back(line);
    if (end == std::string_view::npos) return lines;
    text.remove_prefix(end + 1);
  }
}

std::string TextTable::text(std::string_view indent) const {
  const size_t columns = rows_.front().size();
  std::vector<size_t> widths(columns, 0);
  size_t left = indent.size();  // of the last column
  for (size_t c = 0; c + 1 < columns; ++c) {
    for (const auto& row : rows_) widths[c] = std::max(widths[c], row[c].size());
    left += widths[c] + 2;
  }
  const size_t room = kTextWidth > left + 20 ? kTextWidth - left : 20;
  std::string out;
  for (size_t r = 0; r < rows_.size(); ++r) {
    const std::vector<std::string> last = wrap(rows_[r].back(), room);
    for (size_t i = 0; i < last.size(); ++i) {
      std::string line(indent);
      for (size_t c = 0; c + 1 < columns; ++c) {
        const std::string cell = i == 0 ? rows_[r][c] : "";
        line += cell + std::string(widths[c] + 2 - cell.size(), ' ');
      }
      line += last[i];
      trim_right(line);
      out += line + "\n";
      widths.back() = std::max(widths.back(), last[i].size());
    }
  }
  std::string rule(indent);
  for (size_t c = 0; c < columns; ++c) rule += std::string(widths[c], '-') + "  ";
  trim_right(rule);
  return out.insert(out.find('\n') + 1, rule + "\n");
}

std::string bytes_text(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  int unit = 0;
  auto value = static_cast<double>(bytes);
  for (; value >= 1024 && unit < 4; ++unit) value /= 1024;
  char out[32];
  std::snprintf(out, sizeof out, unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return out;
}

}  // namespace tenon::tools
