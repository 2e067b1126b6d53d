// PythonLiteral: a cursor over the part of Python's literals that .npy headers are written in.
//
//   PythonLiteral text("{'shape': (3, 2L), }", /*python2=*/true);
//   text.take('{'), text.string(&key), text.take(':'), text.integer(&n, &overflow), ...
//
// Strings in either quotes without escapes, integers (decimal, 0x; `L` where python2), True and
// False, punctuation; blanks and line breaks anywhere between. Each call takes what it names and
// returns true, or returns false and stays where it is. Linear time, never recursive.
#ifndef TENON_INTEROP_PYTHON_LITERAL_H_
#define TENON_INTEROP_PYTHON_LITERAL_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace tenon::interop {

class PythonLiteral {
 public:
  PythonLiteral(std::string_view text, bool python2) : rest_(text), python2_(python2) {}

  bool take(char punctuation);
  bool string(std::string* value);
  bool boolean(bool* value);
  bool at_end();

  // Out of range integers are a false with *overflow set (the cursor stays).
  bool integer(int64_t* value, bool* overflow);

  // What comes next, for messages: at most 24 printable characters, or "the end".
  std::string next_text();

 private:
  void skip_blanks();
  std::string_view rest_;
  bool python2_;
};

}  // namespace tenon::interop

#endif  // TENON_INTEROP_PYTHON_LITERAL_H_
