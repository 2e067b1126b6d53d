#include "tenon/interop/json_literal.h"

#include <algorithm>

#include "tenon/base/error.h"

namespace tenon::interop {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The four hexadecimal digits at `at`.
bool hex4(std::string_view text, size_t at, uint32_t* value) {
  if (text.size() < at + 4) return false;
  *value = 0;
  for (char c : text.substr(at, 4)) {
    const int digit = is_digit(c)            ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return false;
    *value = *value * 16 + static_cast<uint32_t>(digit);
  }
  return true;
}

void append_utf8(std::string* out, uint32_t code) {
  const auto put = [out](uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

// The escape whose backslash is at `at`: appends what it stands for and returns its length, or 0.
size_t escape(std::string_view text, size_t at, std::string* out) {
  constexpr std::string_view kLetters = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
  if (at + 1 >= text.size()) return 0;
  if (const size_t i = kLetters.find(text[at + 1]); i != std::string_view::npos) {
    out->push_back(kMeanings[i]);
    return 2;
  }
  uint32_t code = 0, low = 0;
  if (text[at + 1] != 'u' || !hex4(text, at + 2, &code)) return 0;
  if (code < 0xd800 || code > 0xdfff) {
    append_utf8(out, code);
    return 6;
  }
  // A pair of surrogates, high then low.
  if (code > 0xdbff || text.substr(at + 6, 2) != "\\u" || !hex4(text, at + 8, &low) ||
      low < 0xdc00 || low > 0xdfff) {
    return 0;
  }
  append_utf8(out, 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00));
  return 12;
}

}  // namespace

void JsonLiteral::skip_blanks() {
  rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n\r"), rest_.size()));
}

bool JsonLiteral::take(char punctuation) {
  skip_blanks();
  if (rest_.empty() || rest_[0] != punctuation) return false;
  rest_.remove_prefix(1);
  return true;
}

bool JsonLiteral::string(std::string* value) {
  skip_blanks();
  if (rest_.empty() || rest_[0] != '"') return false;
  std::string out;
  size_t i = 1;
  while (i < rest_.size() && rest_[i] != '"') {
    if (static_cast<unsigned char>(rest_[i]) < 0x20) return false;
    if (rest_[i] != '\\') {
      out.push_back(rest_[i++]);
      continue;
    }
    const size_t length = escape(rest_, i, &out);
    if (length == 0) return false;
    i += length;
  }
  if (i >= rest_.size()) return false;
  rest_.remove_prefix(i + 1);
  *value = std::move(out);
  return true;
}

bool JsonLiteral::unsigned_integer(uint64_t* value) {
  skip_blanks();
  uint64_t out = 0;
  size_t i = 0;
  for (; i < rest_.size() && is_digit(rest_[i]); ++i) {
    if (__builtin_mul_overflow(out, uint64_t{10}, &out) ||
        __builtin_add_overflow(out, static_cast<uint64_t>(rest_[i] - '0'), &out)) {
      return false;
    }
  }
  if (i == 0 || (rest_[0] == '0' && i > 1)) return false;
  if (i < rest_.size() && std::string_view(".eE+-").find(rest_[i]) != std::string_view::npos)
    return false;
  rest_.remove_prefix(i);
  *value = out;
  return true;
}

std::string JsonLiteral::place() const {
  std::string_view next = rest_;
  next.remove_prefix(std::min(next.find_first_not_of(" \t\n\r"), next.size()));
  const size_t at = whole_.size() - next.size();
  if (next.empty()) return concat_text("byte ", at, ": the end");
  std::string shown;
  for (char c : next.substr(0, 24)) shown.push_back(c >= ' ' && c <= '~' ? c : '?');
  return concat_text("byte ", at, ": '", shown, "'");
}

bool is_utf8(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  for (size_t i = 0; i < text.size();) {
    const uint32_t first = byte(i);
    const size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (length == 1) {
      ++i;
      continue;
    }
    if (first < 0xc2 || first > 0xf4 || text.size() - i < length) return false;
    uint32_t code = first & (0x7fu >> length);
    for (size_t k = 1; k < length; ++k) {
      if ((byte(i + k) & 0xc0) != 0x80) return false;
      code = code << 6 | (byte(i + k) & 0x3f);
    }
    constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < kLeast[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
      return false;
    i += length;
  }
  return true;
}

std::string json_quoted(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (byte < 0x20) {
      out += concat_text("\\u00", kHex[byte >> 4], kHex[byte & 15]);
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace tenon::interop
