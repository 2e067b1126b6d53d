// Proves what the parser takes, what it refuses and how it says so.
#include "tools/command_line.h"

#include <gtest/gtest.h>

#include <limits>

namespace tenon::tools {
namespace {

struct Parsed {
  std::string file = "none", model = "mlp";
  int64_t count = 3;
  double rate = 0.5;
  bool quiet = false;
  bool ok = false;
  int status = -1;
  std::string errors, output;
};

Parsed parse(std::vector<const char*> arguments) {
  Parsed p;
  CommandLine line("prog", "Does things.");
  line.option("--file", &p.file, "FILE", "what to read");
  line.option("--count", &p.count, "N", "how many", 1, 100);
  line.option("--rate", &p.rate, "X", "how fast", 0);
  line.choice("--model", &p.model, {"mlp", "linear"}, "which");
  line.flag("--quiet", &p.quiet, "say less");
  line.note("A note.");
  arguments.insert(arguments.begin(), "prog");
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  p.ok = line.parse(static_cast<int>(arguments.size()), arguments.data());
  p.status = line.exit_status();
  p.errors = testing::internal::GetCapturedStderr();
  p.output = testing::internal::GetCapturedStdout();
  return p;
}

TEST(CommandLineTest, NothingGivenLeavesDefaults) {
  const Parsed p = parse({});
  EXPECT_TRUE(p.ok);
  EXPECT_EQ(p.file, "none");
  EXPECT_EQ(p.count, 3);
  EXPECT_FALSE(p.quiet);
}

TEST(CommandLineTest, BothSpellingsAreUnderstood) {
  for (const auto& arguments :
       {std::vector<const char*>{"--file", "a=b", "--count", "7", "--rate", "1e-3", "--model",
                                 "linear", "--quiet"},
        {"--file=a=b", "--count=7", "--rate=1e-3", "--model=linear", "--quiet"}}) {
    const Parsed p = parse(arguments);
    EXPECT_TRUE(p.ok) << p.errors;
    EXPECT_EQ(p.file, "a=b");
    EXPECT_EQ(p.count, 7);
    EXPECT_EQ(p.rate, 1e-3);
    EXPECT_EQ(p.model, "linear");
    EXPECT_TRUE(p.quiet);
  }
  EXPECT_EQ(parse({"--file", ""}).file, "");
  EXPECT_EQ(parse({"--file="}).file, "");
}

void expect_refused(const std::vector<const char*>& arguments, const std::string& what) {
  const Parsed p = parse(arguments);
  EXPECT_FALSE(p.ok);
  EXPECT_EQ(p.status, 2);
  EXPECT_EQ(p.errors, "prog: " + what + "\nprog --help lists the options.\n");
  EXPECT_EQ(p.output, "");
}

TEST(CommandLineTest, MistakesAreExplained) {
  expect_refused({"--counts", "7"}, "unknown option '--counts'; did you mean --count?");
  expect_refused({"--zzzzzzzzz"}, "unknown option '--zzzzzzzzz'");
  expect_refused({"file"}, "unknown option 'file'; did you mean --file?");
  expect_refused({"--count"}, "--count needs a value: N");
  expect_refused({"--quiet=yes"}, "--quiet takes no value");
  expect_refused({"--model", "cnn"}, "--model cnn: must be one of mlp|linear");
  for (const char* bad : {"0", "101", "7.5", "7x", "", " 7", "99999999999999999999"}) {
    expect_refused({"--count", bad},
                   std::string("--count ") + bad + ": must be a whole number from 1 to 100");
  }
  for (const char* bad : {"-1", "nan", "inf", "x", ""}) {
    expect_refused({"--rate", bad},
                   std::string("--rate ") + bad + ": must be a number of at least 0");
  }
}

TEST(CommandLineTest, HelpListsOptionsWithDefaults) {
  const Parsed p = parse({"--quiet", "--help"});
  EXPECT_FALSE(p.ok);
  EXPECT_EQ(p.status, 0);
  EXPECT_EQ(p.output,
            "usage: prog [OPTION]...\n"
            "Does things.\n"
            "\n"
            "  --file FILE         what to read [none]\n"
            "  --count N           how many [3]\n"
            "  --rate X            how fast [0.5]\n"
            "  --model mlp|linear  which [mlp]\n"
            "  --quiet             say less\n"
            "  --help              show this\n"
            "\n"
            "A note.\n");
}

TEST(CommandLineTest, ArgumentsAreTakenInOrder) {
  const auto parsed = [](std::vector<const char*> arguments, std::string* in, std::string* out) {
    CommandLine line("prog", "Does things.");
    bool quiet = false;
    line.flag("--quiet", &quiet, "say less");
    line.argument(in, "IN");
    line.argument(out, "OUT", false);
    arguments.insert(arguments.begin(), "prog");
    testing::internal::CaptureStderr();
    const bool ok = line.parse(static_cast<int>(arguments.size()), arguments.data());
    const std::string errors = testing::internal::GetCapturedStderr();
    EXPECT_EQ(line.help().substr(0, 37), "usage: prog [OPTION]... IN [OUT]\nDoes");
    return ok ? "" : errors.substr(0, errors.find('\n'));
  };
  std::string in, out;
  EXPECT_EQ(parsed({"a", "--quiet", "b"}, &in, &out), "");
  EXPECT_EQ(in + out, "ab");
  EXPECT_EQ(parsed({"c"}, &in, &out), "");
  EXPECT_EQ(in + out, "cb");
  EXPECT_EQ(parsed({}, &in, &out), "prog: IN is missing");
  EXPECT_EQ(parsed({"a", "b", "c"}, &in, &out), "prog: one argument too many: 'c'");
  EXPECT_EQ(parsed({"a", "--quite"}, &in, &out),
            "prog: unknown option '--quite'; did you mean --quiet?");
}

}  // namespace
}  // namespace tenon::tools
