// JsonLiteral: a cursor over strict JSON (RFC 8259), the part that safetensors headers are written
// in.
//
//   JsonLiteral text(header);
//   text.take('{'), text.string(&key), text.take(':'), text.unsigned_integer(&n), ...
//
// Strings with all escapes, as UTF-8; integers without sign, fraction or exponent; punctuation;
// JSON's four blanks anywhere between. Each call takes what it names and returns true, or returns
// false and stays where it is. Linear time, never recursive, allocates only the strings asked for.
#ifndef TENON_INTEROP_JSON_LITERAL_H_
#define TENON_INTEROP_JSON_LITERAL_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tenon::interop {

class JsonLiteral {
 public:
  // `text` is valid UTF-8.
  explicit JsonLiteral(std::string_view text) : whole_(text), rest_(text) {}

  bool take(char punctuation);
  // Decoded: "\u0061" is "a". False too for a control character or half a surrogate pair in it.
  bool string(std::string* value);
  // False too for 1.0, 1e3, -1, 01 and what exceeds 64 bits.
  bool unsigned_integer(uint64_t* value);
  // Whatever is left, blanks included.
  std::string_view rest() const { return rest_; }

  // Where the cursor is, in bytes, and what comes next, for messages: "byte 17: 'abc'".
  std::string place() const;

 private:
  void skip_blanks();
  std::string_view whole_, rest_;
};

// Whether the bytes are UTF-8: shortest forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

// The text as a JSON string with its quotes; `text` is valid UTF-8.
std::string json_quoted(std::string_view text);

}  // namespace tenon::interop

#endif  // TENON_INTEROP_JSON_LITERAL_H_
