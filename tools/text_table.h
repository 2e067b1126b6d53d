// Tables of text for a terminal.
//
//   TextTable table({"device", "memory"});
//   table.add({"cpu", "15.6 GB"});
//   std::cout << table.text("  ");   // columns as wide as their widest cell, a line below the
//   heads
//
// The last column is wrapped at 100 characters; cells with line breaks keep them.
#ifndef TENON_TOOLS_TEXT_TABLE_H_
#define TENON_TOOLS_TEXT_TABLE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::tools {

inline constexpr size_t kTextWidth = 100;

class TextTable {
 public:
  explicit TextTable(std::vector<std::string> heads) : rows_{std::move(heads)} {}
  // As many cells as heads.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string text(std::string_view indent = "") const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// Breaks lines at spaces to at most `width` characters; a longer word stays whole. Line breaks in
// `text` are kept, with the spaces that follow them.
std::vector<std::string> wrap(std::string_view text, size_t width);

// 1536 -> "1.5 KiB".
std::string bytes_text(uint64_t bytes);

}  // namespace tenon::tools

#endif  // TENON_TOOLS_TEXT_TABLE_H_
