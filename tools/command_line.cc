#include "tools/command_line.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <utility>

#include "tenon/base/error.h"

namespace tenon::tools {
namespace {

template <class T>
bool parse_number(std::string_view text, T* value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *value);
  return error == std::errc() && stop == end && !text.empty();
}

template <class T>
auto number_in(T* variable, T low, T high, const std::string& what) {
  return [=](std::string_view text) -> std::optional<std::string> {
    T value{};
    if (!parse_number(text, &value) || !(value >= low && value <= high)) return what;
    *variable = value;
    return std::nullopt;
  };
}

template <class T>
std::string range_text(T low, T high, T lowest, T highest) {
  if (low == lowest && high == highest) return "";
  if (high == highest) return concat_text(" of at least ", low);
  if (low == lowest) return concat_text(" of at most ", high);
  return concat_text(" from ", low, " to ", high);
}

// Levenshtein's distance.
size_t edits(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : std::string(between)) + word;
  return out;
}

}  // namespace

CommandLine::CommandLine(std::string program, std::string purpose)
    : program_(std::move(program)), purpose_(std::move(purpose)) {}

void CommandLine::option(std::string name, std::string* variable, std::string value,
                         std::string help) {
  options_.push_back({std::move(name), std::move(value), std::move(help), *variable,
                      [variable](std::string_view text) -> std::optional<std::string> {
                        *variable = text;
                        return std::nullopt;
                      }});
}

void CommandLine::option(std::string name, int64_t* variable, std::string value, std::string help,
                         int64_t low, int64_t high) {
  const std::string what = "a whole number" + range_text(low, high, INT64_MIN, INT64_MAX);
  options_.push_back({std::move(name), std::move(value), std::move(help), concat_text(*variable),
                      number_in(variable, low, high, what)});
}

void CommandLine::option(std::string name, double* variable, std::string value, std::string help,
                         double low, double high) {
  const std::string what = "a number" + range_text(low, high, -1e308, 1e308);
  options_.push_back({std::move(name), std::move(value), std::move(help), concat_text(*variable),
                      number_in(variable, low, high, what)});
}

void CommandLine::choice(std::string name, std::string* variable,
                         const std::vector<std::string>& choices, std::string help) {
  std::string value = joined(choices, "|");
  options_.push_back(
      {std::move(name), value, std::move(help), *variable,
       [variable, value, choices](std::string_view text) -> std::optional<std::string> {
         if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
           return "one of " + value;
         }
         *variable = text;
         return std::nullopt;
       }});
}

void CommandLine::flag(std::string name, bool* variable, std::string help) {
  options_.push_back({std::move(name), "", std::move(help), "",
                      [variable](std::string_view) -> std::optional<std::string> {
                        *variable = true;
                        return std::nullopt;
                      }});
}

void CommandLine::argument(std::string* variable, std::string value, bool required) {
  arguments_.push_back({variable, std::move(value), required});
}

void CommandLine::note(std::string text) { note_ = std::move(text); }

std::string CommandLine::help() const {
  std::string out = concat_text("usage: ", program_, " [OPTION]...");
  for (const Argument& a : arguments_)
    out += a.required ? " " + a.value : concat_text(" [", a.value, "]");
  out += concat_text("\n", purpose_, "\n\n");
  const auto label = [](const Option& o) {
    return "  " + o.name + (o.value.empty() ? "" : " " + o.value);
  };
  size_t width = std::string("  --help").size();
  for (const Option& o : options_) width = std::max(width, label(o).size());
  const auto add = [&](std::string text, const std::string& help_text) {
    text.resize(width + 2, ' ');
    out += text + help_text + "\n";
  };
  for (const Option& o : options_) {
    add(label(o), o.help + (o.initial.empty() ? "" : " [" + o.initial + "]"));
  }
  add("  --help", "show this");
  if (!note_.empty()) out += "\n" + note_ + "\n";
  return out;
}

const CommandLine::Option* CommandLine::find(std::string_view name) const {
  for (const Option& o : options_) {
    if (o.name == name) return &o;
  }
  return nullptr;
}

std::string CommandLine::nearest(std::string_view name) const {
  const Option* best = nullptr;
  size_t distance = 4;  // further away is no misspelling
  for (const Option& o : options_) {
    const size_t d = edits(name, o.name);
    if (d < distance) best = &o, distance = d;
  }
  return best ? "; did you mean " + best->name + "?" : "";
}

bool CommandLine::refuse(const std::string& what) {
  std::fprintf(stderr, "%s: %s\n%s --help lists the options.\n", program_.c_str(), what.c_str(),
               program_.c_str());
  exit_status_ = 2;
  return false;
}

bool CommandLine::parse(int argc, const char* const* argv) {
  size_t given = 0;
  for (int i = 1; i < argc; ++i) {
    std::string_view argument = argv[i];
    if (argument == "--help" || argument == "-h") {
      std::fputs(help().c_str(), stdout);
      return false;
    }
    if (!arguments_.empty() && !argument.starts_with('-')) {
      if (given == arguments_.size())
        return refuse(concat_text("one argument too many: '", argument, "'"));
      *arguments_[given++].variable = argument;
      continue;
    }
    const size_t equals = argument.find('=');
    const std::string_view name = argument.substr(0, equals);
    const Option* option = find(name);
    if (!option) {
      return refuse(concat_text("unknown option '", name, "'", nearest(name)));
    }
    std::string_view value;
    if (equals != std::string_view::npos) {
      value = argument.substr(equals + 1);
      if (!option->takes_value()) return refuse(concat_text(name, " takes no value"));
    } else if (option->takes_value()) {
      if (++i == argc) return refuse(concat_text(name, " needs a value: ", option->value));
      value = argv[i];
    }
    if (const auto wanted = option->assign(value)) {
      return refuse(concat_text(name, " ", value, ": must be ", *wanted));
    }
  }
  if (given < arguments_.size() && arguments_[given].required)
    return refuse(concat_text(arguments_[given].value, " is missing"));
  return true;
}

}  // namespace tenon::tools
