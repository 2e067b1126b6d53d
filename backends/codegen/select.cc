#include <algorithm>
#include <cctype>
#include <set>

#include "tenon/abi/tenon_plugin_kit.h"
#include "tenon/backends/codegen/prelude.h"

namespace tenon_codegen {
namespace {

// What a function of kCommonPrelude calls that is of another dtype.
struct Implied {
  const char *word, *by;
};
constexpr Implied kImplied[] = {{"f64", "digamma"}, {"f32", "digamma"},  {"f32", "f16"},
                                {"f32", "bf16"},    {"f32", "f8e4m3fn"}, {"f32", "f8e5m2"}};

// The words of names with an underscore: add_f32, cast_i64_bf16, merge_<kernel>.
std::set<std::string, std::less<>> WordsOf(std::string_view text) {
  const auto in_name = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  std::set<std::string, std::less<>> words;
  for (auto at = text.begin(); at != text.end();) {
    const auto end = std::find_if_not(at, text.end(), in_name);
    const bool in_longer =
        (at != text.begin() && *(at - 1) == '_') || (end != text.end() && *end == '_');
    if (in_longer) words.emplace(at, end);
    at = std::find_if(end, text.end(), in_name);
  }
  return words;
}

std::string Lines(const auto& selected) {
  std::string lines;
  const auto line = [&](const std::string& word) {
    lines += "#define IF_" + word + "(text)" + (selected(word) ? " text\n" : "\n");
  };
  for (uint32_t dtype = TENON_BOOL; dtype < TENON_DTYPE_COUNT; ++dtype)
    line(tenon_dtype_name(dtype));
  line("digamma");
  return lines;
}

}  // namespace

std::string SelectFor(std::string_view text) {
  std::set<std::string, std::less<>> words = WordsOf(text);
  for (const auto& [word, by] : kImplied) {
    if (words.contains(by)) words.insert(word);
  }
  return Lines([&](const std::string& word) { return words.contains(word); });
}

std::string SelectAll() {
  return Lines([](const std::string&) { return true; });
}

}  // namespace tenon_codegen
