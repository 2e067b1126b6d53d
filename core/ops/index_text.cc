#include "tenon/ops/index_text.h"

#include <cctype>
#include <charconv>
#include <memory>

namespace tenon {
namespace {

class Parser {
 public:
  Parser(std::string_view text, Device device) : text_(text), device_(device) {}

  std::vector<IndexItem> parse() {
    // "[1, 2]" is two items; so is "1, 2". "[[1, 2]]" is one list, and so is "[1, 2], 0" its first
    // item.
    std::vector<IndexItem> items;
    const bool outer = is_wrapped();
    if (outer) take('[');
    const auto at_end = [&] { return outer ? peek() == ']' : peek() == '\0'; };
    while (!at_end()) {
      items.push_back(item());
      if (!at_end()) take(',');
    }
    if (outer) take(']');
    if (peek() != '\0') refuse("the end");
    return items;
  }

 private:
  [[noreturn]] void refuse(const char* expected) {
    fail(ErrorCode::kInvalidArgument, "parse_index", "expected ", expected, " at column ", at_ + 1,
         " of \"", text_, "\"");
  }

  // Does the first bracket close at the end of the text?
  bool is_wrapped() {
    if (peek() != '[') return false;
    int depth = 0;
    for (size_t i = at_; i < text_.size(); ++i) {
      depth += (text_[i] == '[') - (text_[i] == ']');
      if (depth == 0) return text_.find_first_not_of(" \t\n", i + 1) == std::string_view::npos;
    }
    return true;
  }

  char peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n'))
      ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  void take(char c) {
    const char quoted[] = {'\'', c, '\'', '\0'};
    if (peek() != c) refuse(quoted);
    ++at_;
  }
  bool take_word(std::string_view word) {
    peek();
    if (text_.substr(at_, word.size()) != word) return false;
    const size_t end = at_ + word.size();
    const bool more = end < text_.size() &&
                      (std::isalnum(static_cast<unsigned char>(text_[end])) || text_[end] == '_');
    if (more && word != "...") return false;
    at_ = end;
    return true;
  }
  int64_t integer() {
    peek();
    const bool plus = at_ < text_.size() && text_[at_] == '+';
    int64_t value = 0;
    const char* first = text_.data() + at_ + plus;
    const auto [end, error] = std::from_chars(first, text_.data() + text_.size(), value);
    if (error == std::errc::result_out_of_range) refuse("an integer of 64 bits");
    // kUnset means "left out" in a slice.
    if (error != std::errc() || (plus && *first == '-') || value == kUnset) refuse("an integer");
    at_ = static_cast<size_t>(end - text_.data());
    return value;
  }

  IndexItem item() {
    if (take_word("...") || take_word("Ellipsis")) return Index::ellipsis();
    if (take_word("None") || take_word("newaxis")) return Index::new_axis();
    if (take_word("True")) return true;
    if (take_word("False")) return false;
    if (peek() == '[') return list();
    Slice s;
    if (peek() != ':') {
      s.start = integer();
      if (peek() != ':') return Index(s.start);
    }
    take(':');
    if (is_number()) s.stop = integer();
    if (peek() == ':') {
      take(':');
      if (is_number()) s.step = integer();
    }
    return s;
  }
  bool is_number() { return peek() == '-' || peek() == '+' || (peek() >= '0' && peek() <= '9'); }

  Tensor list() {
    Dims shape;
    std::vector<int64_t> values;
    list_kind_ = kUnknown;
    read_list(0, shape, values);
    if (list_kind_ != kBools) return tensor(std::span<const int64_t>(values), shape, device_);
    const auto bools = std::make_unique<bool[]>(values.size() + 1);
    for (size_t i = 0; i < values.size(); ++i) bools[i] = values[i] != 0;
    return from_host(DType::bool_, shape, bools.get(), device_);
  }

  // Sizes are learnt from the first list of each depth and hold for all others; -1: depth not
  // finished once.
  void read_list(int depth, Dims& shape, std::vector<int64_t>& values) {
    if (depth == kMaxRank) refuse("at most 64 brackets");
    if (depth == shape.size()) shape.push_back(-1);
    take('[');
    int64_t count = 0;
    while (peek() != ']') {
      if (peek() == '[') {
        if (elements_at_ == depth + 1) refuse("lists of one depth");
        read_list(depth + 1, shape, values);
      } else {
        if (shape.size() != depth + 1 || (elements_at_ != 0 && elements_at_ != depth + 1))
          refuse("lists of one depth");
        elements_at_ = depth + 1;
        values.push_back(element());
      }
      ++count;
      if (peek() != ']') take(',');
    }
    if (shape[depth] == -1) shape[depth] = count;
    if (shape[depth] != count) refuse("lists of one length");
    take(']');
    if (depth == 0) elements_at_ = 0;
  }
  int64_t element() {
    const bool yes = take_word("True"), is_bool = yes || take_word("False");
    const ListKind kind = is_bool ? kBools : kIntegers;
    if (list_kind_ != kUnknown && list_kind_ != kind) refuse("only integers or only bools");
    list_kind_ = kind;
    return is_bool ? yes : integer();
  }

  enum ListKind { kUnknown, kIntegers, kBools };
  const std::string_view text_;
  const Device device_;
  size_t at_ = 0;
  ListKind list_kind_ = kUnknown;
  int elements_at_ = 0;  // the depth that elements were seen at; 0: none yet
};

}  // namespace

std::vector<IndexItem> parse_index(std::string_view text, Device device) {
  return Parser(text, device).parse();
}

}  // namespace tenon
