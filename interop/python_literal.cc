#include "interop/python_literal.h"

namespace tenon::interop {
namespace {

int digit(char c, int base) {
  int value = c >= '0' && c <= '9'   ? c - '0'
              : c >= 'a' && c <= 'f' ? c - 'a' + 10
              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                     : 99;
  return value < base ? value : -1;
}

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

}  // namespace

void PythonLiteral::skip_blanks() {
  const size_t n = rest_.find_first_not_of(" \t\n\r\f");
  rest_.remove_prefix(n == std::string_view::npos ? rest_.size() : n);
}

bool PythonLiteral::at_end() {
  skip_blanks();
  return rest_.empty();
}

bool PythonLiteral::take(char punctuation) {
  skip_blanks();
  if (rest_.empty() || rest_.front() != punctuation) return false;
  rest_.remove_prefix(1);
  return true;
}

bool PythonLiteral::string(std::string* value) {
  skip_blanks();
  std::string_view s = rest_;
  // Python 2 wrote u'...' where the program had unicode literals; Python 3 reads it too.
  if (s.size() > 1 && (s[0] == 'u' || (s[0] == 'b' && python2_))) s.remove_prefix(1);
  if (s.empty() || (s[0] != '\'' && s[0] != '"')) return false;
  const size_t end = s.find(s[0], 1);
  if (end == std::string_view::npos) return false;
  const std::string_view inside = s.substr(1, end - 1);
  if (inside.find_first_of("\\\n") != std::string_view::npos) return false;
  value->assign(inside);
  rest_ = s.substr(end + 1);
  return true;
}

bool PythonLiteral::boolean(bool* value) {
  skip_blanks();
  for (std::string_view word : {"True", "False"}) {
    if (!rest_.starts_with(word) || (rest_.size() > word.size() && is_word(rest_[word.size()])))
      continue;
    *value = word == "True";
    rest_.remove_prefix(word.size());
    return true;
  }
  return false;
}

bool PythonLiteral::integer(int64_t* value, bool* overflow) {
  skip_blanks();
  *overflow = false;
  std::string_view s = rest_;
  const bool negative = !s.empty() && s[0] == '-';
  if (negative || (!s.empty() && s[0] == '+')) s.remove_prefix(1);
  int base = 10;
  if (s.starts_with("0x") || s.starts_with("0X")) {
    base = 16;
    s.remove_prefix(2);
  }
  // Python allows one underscore between digits; nobody writes it, and it ends up as "not an
  // integer" here.
  int64_t result = 0;
  size_t n = 0;
  bool too_big = false;
  for (; n < s.size() && digit(s[n], base) >= 0; ++n) {
    too_big |=
        __builtin_mul_overflow(result, base, &result) ||
        __builtin_add_overflow(result, negative ? -digit(s[n], base) : digit(s[n], base), &result);
  }
  if (n == 0) return false;
  if (base == 10 && n > 1 && s[0] == '0') return false;  // 07: octal to Python 2, wrong to 3
  if (python2_ && n < s.size() && (s[n] == 'L' || s[n] == 'l')) ++n;
  if (n < s.size() && is_word(s[n])) return false;
  if (too_big) {
    *overflow = true;
    return false;
  }
  *value = result;
  rest_ = s.substr(n);
  return true;
}

std::string PythonLiteral::next_text() {
  skip_blanks();
  if (rest_.empty()) return "the end";
  std::string out = "\"";
  for (char c : rest_.substr(0, 24)) out += c >= ' ' && c <= '~' ? c : '?';
  return out + (rest_.size() > 24 ? "...\"" : "\"");
}

}  // namespace tenon::interop
