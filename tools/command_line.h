// CommandLine: the options of a program, as a table.
//
//   int64_t epochs = 30;
//   std::string model = "mlp";
//   CommandLine line("train", "Trains a small network to tell digits apart.");
//   line.option("--epochs", &epochs, "N", "passes over the training data");
//   line.choice("--model", &model, {"mlp", "linear"}, "what to train");
//   line.flag("--quiet", &quiet, "print the result only");
//   if (!line.parse(argc, argv)) return line.exit_status();
//
// The variable's value before parse() is the default that --help shows. Both "--epochs 5" and
// "--epochs=5" are understood. parse() is false when the program shall end: --help was printed
// (status 0), or what is wrong was (to stderr, status 2) with the nearest option there is. Errors
// never change the variables of later options.
#ifndef TENON_TOOLS_COMMAND_LINE_H_
#define TENON_TOOLS_COMMAND_LINE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::tools {

class CommandLine {
 public:
  CommandLine(std::string program, std::string purpose);

  // `value` is what the help calls the argument: "FILE", "N". Numbers outside [low, high] are
  // refused.
  void option(std::string name, std::string* variable, std::string value, std::string help);
  void option(std::string name, int64_t* variable, std::string value, std::string help,
              int64_t low = INT64_MIN, int64_t high = INT64_MAX);
  void option(std::string name, double* variable, std::string value, std::string help,
              double low = -1e308, double high = 1e308);
  void choice(std::string name, std::string* variable, const std::vector<std::string>& choices,
              std::string help);
  void flag(std::string name, bool* variable, std::string help);
  // The next argument that is no option: "IN". Those that are not required come last.
  void argument(std::string* variable, std::string value, bool required = true);
  // Shown below the options.
  void note(std::string text);

  bool parse(int argc, const char* const* argv);
  int exit_status() const { return exit_status_; }
  std::string help() const;

 private:
  struct Option {
    std::string name, value, help, initial;
    // Takes the argument over; else says what it must be.
    std::function<std::optional<std::string>(std::string_view)> assign;
    bool takes_value() const { return !value.empty(); }
  };
  const Option* find(std::string_view name) const;
  bool refuse(const std::string& what);
  std::string nearest(std::string_view name) const;

  std::string program_, purpose_, note_;
  std::vector<Option> options_;
  struct Argument {
    std::string* variable;
    std::string value;
    bool required;
  };
  std::vector<Argument> arguments_;
  int exit_status_ = 0;
};

}  // namespace tenon::tools

#endif  // TENON_TOOLS_COMMAND_LINE_H_
